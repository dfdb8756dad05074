//! The socket on which a running router answers its operator.
//!
//! - takes: lines with requests, from any number of tools (see [`super::protocol`])
//! - gives: [`Call`]s to the management core, one by one, and its replies to the tools
//! - obeys: one router a name; a client that is slow, silent or gone holds up nobody but itself
//!
//! Long answers are asked for piece by piece, each when the client has taken the one before: the
//! management core never holds more than a piece, and serves packets in between.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::{
                DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
                PermissionsExt as _,
            },
            net::UnixListener as StdListener,
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use thiserror::Error;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time::{sleep, timeout},
};

use super::protocol::{BATCH_START, Line, MAX_BATCH, MAX_REQUEST, Request, TOOL_START};

/// Most clients at a time.
const MAX_CLIENTS: usize = 64;
/// How long a client may take to read one line.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// Rows in one line.
const ROWS_A_LINE: usize = 1024;
/// Calls that wait for the management core.
const CALLS: usize = 16;

/// What the management core says to a request. `C` is where a long answer goes on.
#[derive(Debug)]
pub enum Reply<C> {
    /// All of it.
    Data(Value),
    /// Some rows, or none yet; more after a pause.
    Rows {
        /// The rows.
        rows: Vec<Value>,
        /// Where it goes on.
        next: C,
        /// How long to wait before asking again.
        pause: Duration,
    },
    /// The last rows.
    LastRows(Vec<Value>),
    /// It cannot be done.
    Error {
        /// Why.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// Who can answer.
pub trait Answer {
    /// Where a long answer goes on.
    type Cursor: Send + 'static;

    /// Answers a request, or begins to.
    fn answer(&mut self, request: Request) -> Reply<Self::Cursor>;

    /// Goes on with a long answer.
    fn resume(&mut self, cursor: Self::Cursor) -> Reply<Self::Cursor>;

    /// The client has gone before the end of a long answer.
    fn abandon(&mut self, cursor: Self::Cursor) {
        drop(cursor);
    }
}

/// A question for the management core.
#[derive(Debug)]
pub struct Call<C>(Question<C>);

#[derive(Debug)]
enum Question<C> {
    Answer(Request, oneshot::Sender<Reply<C>>),
    Resume(C, oneshot::Sender<Reply<C>>),
    Abandon(C),
}

impl<C: Send + 'static> Call<C> {
    /// Has the question answered. A client that has gone in the meantime is no error.
    pub fn put_to<A: Answer<Cursor = C>>(self, core: &mut A) {
        let (reply, to) = match self.0 {
            Question::Answer(request, to) => (core.answer(request), to),
            Question::Resume(cursor, to) => (core.resume(cursor), to),
            Question::Abandon(cursor) => return core.abandon(cursor),
        };
        if let Err(Reply::Rows { next, .. }) = to.send(reply) {
            core.abandon(next);
        }
    }
}

/// The socket could not be made.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another router answers there.
    #[error("another router is running as {name:?}{}", .pid.map_or(String::new(), |pid| format!(" (process {pid})")))]
    Running {
        /// Its name.
        name: String,
        /// Its process, when it said so.
        pid: Option<u32>,
    },
    /// Something that is not a socket is in the way.
    #[error("{0} is there already and is not a socket")]
    NotASocket(PathBuf),
    /// The directory is somebody else's.
    #[error("the directory {0} belongs to another user")]
    Foreign(PathBuf),
    /// The path does not fit into a socket's address.
    #[error("the path {path} is too long for a socket: {len} bytes, of at most {MAX_PATH}")]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        len: usize,
    },
    /// The system refused.
    #[error("cannot {what} {path}: {error}")]
    System {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl BindError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Running { .. } => "stop it, or give this one another `instance.name`",
            Self::NotASocket(_) => "remove it, or set `telemetry.socket` to another path",
            Self::Foreign(_) => "set `telemetry.socket` to a path in a directory of your own",
            Self::TooLong { .. } => "set `telemetry.socket` to a shorter path",
            Self::System { .. } => {
                "run as root, or set `telemetry.socket` to a path that you may write"
            }
        }
    }
}

/// Longest path of a socket (`sun_path` with its end).
const MAX_PATH: usize = 107;
/// What the socket's name ends with until it is ready.
const NEW: &str = ".new";

/// The socket, bound: clients may connect, and find nobody until it is served. Dropping it removes
/// it.
#[derive(Debug)]
pub struct Bound {
    listener: Option<StdListener>,
    path: PathBuf,
    lock_path: PathBuf,
    identity: (u64, u64),
    _lock: File,
}

impl Bound {
    /// Makes the socket, in place of one that a dead router left behind.
    ///
    /// # Errors
    /// When another router of this name is alive, or the system refuses.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let len = path.as_os_str().len() + NEW.len();
        if len > MAX_PATH {
            return Err(BindError::TooLong { path: path.to_owned(), len });
        }
        make_directory(path)?;
        let lock_path = with_suffix(path, ".lock");
        let lock = take_lock(path, &lock_path)?;
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(BindError::NotASocket(path.to_owned()));
            }
            _ => {}
        }
        // Nobody can connect before the mode is right, and the old socket gives way in one step.
        let new = with_suffix(path, NEW);
        let _ = fs::remove_file(&new);
        let failed = |what| {
            let path = path.to_owned();
            move |error| BindError::System { what, path, error }
        };
        let listener = StdListener::bind(&new).map_err(failed("make the socket"))?;
        let root = rustix::process::geteuid().is_root();
        let mode = Permissions::from_mode(if root { 0o660 } else { 0o600 });
        let ready = fs::set_permissions(&new, mode)
            .and_then(|()| listener.set_nonblocking(true))
            .and_then(|()| fs::metadata(&new))
            .and_then(|is| fs::rename(&new, path).map(|()| (is.dev(), is.ino())));
        let identity = ready.map_err(|error| {
            let _ = fs::remove_file(&new);
            failed("make the socket")(error)
        })?;
        Ok(Self {
            listener: Some(listener),
            path: path.to_owned(),
            lock_path,
            identity,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves clients for as long as it is polled; runs on the management core's runtime. Questions
    /// come out of the receiver, to be answered by [`Call::put_to`].
    ///
    /// # Errors
    /// When there is no runtime.
    pub fn serve<C: Send + 'static>(
        mut self,
    ) -> io::Result<(impl Future<Output = ()> + Send + 'static, mpsc::Receiver<Call<C>>)> {
        let listener = self.listener.take().ok_or_else(|| io::Error::other("served already"))?;
        let listener = UnixListener::from_std(listener)?;
        let (calls, receiver) = mpsc::channel(CALLS);
        let serving = async move {
            let _bound = self;
            accept(listener, calls).await;
        };
        Ok((serving, receiver))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == self.identity);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
        // Still locked here, so that nobody can hold a lock on a name that is gone.
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes the directory of `path` when it is not there.
fn make_directory(path: &Path) -> Result<(), BindError> {
    let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    let failed =
        |error| BindError::System { what: "make the directory", path: directory.to_owned(), error };
    let user = rustix::process::geteuid();
    let mode = if user.is_root() { 0o755 } else { 0o700 };
    match DirBuilder::new().mode(mode).create(directory) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    }
    // In /tmp anybody may have made a directory of this name first, to answer in our place.
    let is = fs::metadata(directory).map_err(failed)?;
    if is.uid() != user.as_raw() && is.uid() != 0 && !user.is_root() {
        return Err(BindError::Foreign(directory.to_owned()));
    }
    Ok(())
}

/// Locks the name for as long as the file lives.
fn take_lock(path: &Path, lock_path: &Path) -> Result<File, BindError> {
    let failed = |what| {
        move |error: io::Error| BindError::System { what, path: lock_path.to_owned(), error }
    };
    loop {
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(lock_path)
            .map_err(failed("open the lock"))?;
        match flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let said = fs::read_to_string(lock_path).ok();
                let pid = said.and_then(|text| text.trim().parse().ok());
                return Err(BindError::Running { name, pid });
            }
            Err(error) => return Err(failed("take the lock")(error.into())),
        }
        // The router before may have removed the name between our opening and our locking.
        let locked = lock.metadata().map_err(failed("take the lock"))?;
        match fs::metadata(lock_path) {
            Ok(named) if (named.dev(), named.ino()) == (locked.dev(), locked.ino()) => {}
            _ => continue,
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(failed("write the lock"))?;
        return Ok(lock);
    }
}

async fn accept<C: Send + 'static>(listener: UnixListener, calls: mpsc::Sender<Call<C>>) {
    let room = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others may close theirs in a while.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        match Arc::clone(&room).try_acquire_owned() {
            Ok(seat) => {
                let calls = calls.clone();
                tokio::spawn(async move {
                    // A client that breaks off is its own affair.
                    let _ = converse(stream, calls).await;
                    drop(seat);
                });
            }
            Err(_) => {
                tokio::spawn(async move {
                    let line = Line::error("too many clients are connected", None);
                    let _ = say(&mut { stream }, &line).await;
                });
            }
        }
    }
}

async fn converse<C: Send + 'static>(
    stream: UnixStream,
    calls: mpsc::Sender<Call<C>>,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        match read_line(&mut read, &mut line).await? {
            Heard::Line => {}
            Heard::End => return Ok(()),
            Heard::TooLong(most) => {
                let text = format!("the request is longer than {most} bytes");
                return say(&mut write, &Line::error(text, None)).await;
            }
        }
        let request = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => request,
            Err(error) => {
                let text = format!("this is not a request: {error}");
                say(&mut write, &Line::error(text, None)).await?;
                continue;
            }
        };
        // A batch may be large, and its answer long in coming.
        line = Vec::new();
        if !attend(request, &calls, &mut read, &mut write).await? {
            let text = "the router is stopping";
            return say(&mut write, &Line::error(text, None)).await;
        }
    }
}

/// Has one request answered; false when nobody answers any more.
async fn attend<C: Send + 'static>(
    request: Request,
    calls: &mpsc::Sender<Call<C>>,
    read: &mut (impl AsyncBufRead + Unpin),
    write: &mut (impl AsyncWrite + Unpin),
) -> io::Result<bool> {
    let (to, reply) = oneshot::channel();
    let Ok(()) = calls.send(Call(Question::Answer(request, to))).await else { return Ok(false) };
    let Ok(mut reply) = reply.await else { return Ok(false) };
    let mut streaming = false;
    loop {
        let (rows, next) = match reply {
            Reply::Data(data) => {
                say(write, &Line::data(data)).await?;
                return Ok(true);
            }
            Reply::Error { error, hint } => {
                say(write, &Line::error(error, hint)).await?;
                return Ok(true);
            }
            Reply::LastRows(rows) => (rows, None),
            Reply::Rows { rows, next, pause } => (rows, Some((next, pause))),
        };
        // Only this, not what `next` holds, is looked at while others run.
        let (last, pause) = (next.is_none(), next.as_ref().map(|(_, pause)| *pause));
        let said = async {
            if !streaming {
                say(write, &Line::stream()).await?;
            }
            let mut rows = rows.into_iter().peekable();
            while rows.peek().is_some() {
                say(write, &Line::rows(rows.by_ref().take(ROWS_A_LINE).collect())).await?;
            }
            if last {
                say(write, &Line::end()).await?;
            }
            if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
                // Nothing may be said while a client waits, so that a word is its end.
                match timeout(pause, read.fill_buf()).await {
                    Err(_) => {}
                    Ok(Ok([])) => return Err(io::ErrorKind::BrokenPipe.into()),
                    Ok(Ok(_)) => sleep(pause).await,
                    Ok(Err(error)) => return Err(error),
                }
            }
            Ok(())
        };
        let said: io::Result<()> = said.await;
        streaming = true;
        let Some((next, _)) = next else { return said.map(|()| true) };
        if let Err(error) = said {
            let _ = calls.send(Call(Question::Abandon(next))).await;
            return Err(error);
        }
        let (to, again) = oneshot::channel();
        let Ok(()) = calls.send(Call(Question::Resume(next, to))).await else { return Ok(false) };
        let Ok(more) = again.await else { return Ok(false) };
        reply = more;
    }
}

async fn say(to: &mut (impl AsyncWrite + Unpin), line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    timeout(WRITE_PATIENCE, to.write_all(&text)).await?
}

enum Heard {
    Line,
    End,
    TooLong(usize),
}

/// Reads one line into `line`, within the bound for its kind.
async fn read_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<Heard> {
    line.clear();
    loop {
        let some = from.fill_buf().await?;
        if some.is_empty() {
            return Ok(Heard::End);
        }
        let end = some.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(some.len());
        line.extend_from_slice(&some[..taken]);
        from.consume(end.map_or(taken, |end| end + 1));
        let long = [BATCH_START, TOOL_START].iter().any(|start| line.starts_with(start.as_bytes()));
        let most = if long { MAX_BATCH } else { MAX_REQUEST };
        if line.len() > most {
            return Ok(Heard::TooLong(most));
        }
        if end.is_some() {
            return Ok(Heard::Line);
        }
    }
}

#[cfg(test)]
mod tests;

//! The socket by which programs decide on packets (`NFQUEUE`): messages with a length in front, both ways.
//!
//! - takes: connections of programs; what they say, and what the router has for them
//! - gives: [`Said`] for the management core, in order; bytes for the programs
//! - obeys: docs/netfilter.md, "Programs that decide"
//! - costs: nothing on a worker; a program that does not read is cut off

mod wire;

use std::{collections::HashMap, io, os::unix::fs::PermissionsExt as _, path::Path};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

pub use wire::{Message, MessageError};

use crate::control::queues::{MOST_WAITING, Offered, QueueError};

/// Programs that may be connected.
const PROGRAMS: usize = 64;
/// Messages of all programs that wait for the management core.
const SAYINGS: usize = 1024;
/// Messages that wait for one program: all packets that it may have, and as many answers.
const ANSWERS: usize = 2 * MOST_WAITING as usize;

/// What happens at the socket.
#[derive(Debug)]
pub enum Said {
    /// A program has come; its messages go there.
    Came(u64, mpsc::Sender<Vec<u8>>),
    /// It says something.
    Says(u64, Vec<u8>),
    /// It has gone.
    Gone(u64),
}

/// Programs that are connected.
#[derive(Debug, Default)]
pub struct Programs {
    senders: HashMap<u64, mpsc::Sender<Vec<u8>>>,
}

impl Programs {
    /// A program has come.
    pub fn add(&mut self, program: u64, sender: mpsc::Sender<Vec<u8>>) {
        self.senders.insert(program, sender);
    }

    /// A program has gone, or is cut off.
    pub fn remove(&mut self, program: u64) {
        self.senders.remove(&program);
    }

    /// Answers a wish. Says whether the program can be reached.
    pub fn answer(&self, program: u64, done: Result<(), QueueError>) -> bool {
        self.send(program, wire::answer(done))
    }

    /// Hands a packet over; `wall` is nanoseconds since 1970. Says whether the program can be reached.
    pub fn offer(&self, offered: &Offered, wall: u64) -> bool {
        self.send(offered.program, wire::packet(offered, wall))
    }

    fn send(&self, program: u64, message: Vec<u8>) -> bool {
        self.senders.get(&program).is_some_and(|sender| sender.try_send(message).is_ok())
    }
}

/// Binds the socket and serves it for as long as the runtime runs.
///
/// # Errors
/// When the system refuses.
pub fn serve(path: &Path) -> io::Result<mpsc::Receiver<Said>> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if std::os::unix::fs::FileTypeExt::is_socket(&there.file_type()) => {
            std::fs::remove_file(path)?;
        }
        Ok(_) => return Err(io::Error::other("it exists and is not a socket")),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    let (to, said) = mpsc::channel(SAYINGS);
    tokio::spawn(accept(listener, to));
    Ok(said)
}

async fn accept(listener: UnixListener, to: mpsc::Sender<Said>) {
    let room = std::sync::Arc::new(tokio::sync::Semaphore::new(PROGRAMS));
    let mut last = 0;
    loop {
        let Ok(seat) = std::sync::Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others may close theirs in a while.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        last += 1;
        let (program, to) = (last, to.clone());
        tokio::spawn(async move {
            converse(stream, program, &to).await;
            let _ = to.send(Said::Gone(program)).await;
            drop(seat);
        });
    }
}

/// Carries messages both ways until either side has enough.
async fn converse(stream: UnixStream, program: u64, to: &mpsc::Sender<Said>) {
    let (read, mut write) = stream.into_split();
    let (sender, mut answers) = mpsc::channel::<Vec<u8>>(ANSWERS);
    if to.send(Said::Came(program, sender)).await.is_err() {
        return;
    }
    let hears = async {
        let mut read = BufReader::new(read);
        while let Ok(message) = next(&mut read).await {
            if to.send(Said::Says(program, message)).await.is_err() {
                return;
            }
        }
    };
    let speaks = async {
        while let Some(message) = answers.recv().await {
            if write.write_all(&message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = hears => {}
        () = speaks => {}
    }
}

/// The next message, without its length.
async fn next(read: &mut BufReader<tokio::net::unix::OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let len = read.read_u32().await? as usize;
    if len > wire::LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; len];
    read.read_exact(&mut message).await?;
    Ok(message)
}

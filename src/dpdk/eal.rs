//! The environment abstraction layer: hugepages, cores, devices. Started once a process.

use std::{
    ffi::{CStr, CString},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use thiserror::Error;

/// Whether packet memory comes from hugepages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Huge {
    /// From hugepages when there are enough that may be used, else from ordinary pages.
    #[default]
    Auto,
    /// From hugepages, or not at all.
    Always,
    /// From ordinary pages.
    Never,
}

/// How EAL starts.
#[derive(Clone, Debug)]
pub struct EalOptions {
    /// Name of the instance; two with one name cannot run at once unless `in_memory`.
    pub prefix: String,
    /// Where packet memory comes from.
    pub huge: Huge,
    /// Leave no files behind, and share nothing with other processes.
    pub in_memory: bool,
    /// MiB of packet memory to take at start.
    pub memory_mib: Option<u32>,
    /// PCI devices to take; none means that the bus is not looked at.
    pub pci: Vec<String>,
    /// Further EAL arguments, last on the line.
    pub extra: Vec<String>,
}

/// EAL did not start.
#[derive(Debug, Error)]
pub enum EalError {
    /// A second start.
    #[error("DPDK is running in this process already")]
    AlreadyStarted,
    /// `Huge::Always` without enough of them.
    #[error(
        "{needed} MiB of hugepages are needed and {free} MiB are free; reserve some \
         (`sysctl vm.nr_hugepages=1024`, `mount -t hugetlbfs none /dev/hugepages`) or set \
         `dpdk.huge = \"never\"`"
    )]
    NoHugepages {
        /// MiB needed.
        needed: u32,
        /// MiB free.
        free: u64,
    },
    /// Another process runs under this name.
    #[error("another instance named {0:?} is running; stop it or choose another `instance.name`")]
    InstanceRunning(String),
    /// Not allowed.
    #[error(
        "no permission to start DPDK: {0}; run as root, or set `dpdk.huge = \"never\"` and \
             `dpdk.in-memory = true`"
    )]
    NoPermission(String),
    /// An argument with a zero byte.
    #[error("EAL argument {0:?} holds a zero byte")]
    Argument(String),
    /// Anything else, as DPDK says it.
    #[error("DPDK did not start: {0}")]
    Other(String),
}

static STARTED: AtomicBool = AtomicBool::new(false);

/// EAL, running.
pub struct Eal {
    huge: bool,
}

/// The last error of this thread, in DPDK's words.
pub(super) fn last_error() -> String {
    // SAFETY: the shim reads a thread-local variable.
    describe(unsafe { dpdk_sys::dpdk_errno() })
}

/// An error number in DPDK's words.
pub(super) fn describe(number: i32) -> String {
    // SAFETY: `rte_strerror` returns a string that lives until the next call on this thread.
    unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(number.abs())) }.to_string_lossy().into_owned()
}

/// Free hugepages in MiB, of all sizes.
fn free_hugepages_mib() -> u64 {
    let Ok(sizes) = std::fs::read_dir("/sys/kernel/mm/hugepages") else {
        return 0;
    };
    let free = |dir: std::fs::DirEntry| {
        let name = dir.file_name().into_string().ok()?;
        let kib: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let free = std::fs::read_to_string(dir.path().join("free_hugepages")).ok()?;
        Some(free.trim().parse::<u64>().ok()? * kib / 1024)
    };
    sizes.flatten().filter_map(free).sum()
}

fn hugetlbfs_is_mounted() -> bool {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts.lines().any(|line| {
        let mut words = line.split(' ');
        let (_, dir, kind) = (words.next(), words.next(), words.next());
        kind == Some("hugetlbfs") && dir.is_some_and(writable)
    })
}

fn writable(dir: &str) -> bool {
    let us = rustix::process::geteuid().as_raw();
    std::fs::metadata(Path::new(dir))
        .is_ok_and(|meta| us == 0 || meta.uid() == us || meta.mode() & 0o002 != 0)
}

impl Eal {
    /// Starts EAL. The calling thread becomes its main lcore and stays free to run on any CPU.
    ///
    /// # Errors
    /// When EAL has been started before, or refuses.
    pub fn start(options: &EalOptions) -> Result<Self, EalError> {
        let needed = options.memory_mib.unwrap_or(64);
        let free = free_hugepages_mib();
        let usable = free >= u64::from(needed) && (options.in_memory || hugetlbfs_is_mounted());
        let huge = match options.huge {
            Huge::Never => false,
            Huge::Auto => usable,
            Huge::Always if free < u64::from(needed) => {
                return Err(EalError::NoHugepages { needed, free });
            }
            Huge::Always => true,
        };
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(EalError::AlreadyStarted);
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut args =
            vec!["wagonway".to_owned(), "--lcores".into(), format!("0@(0-{})", cpus - 1)];
        args.extend(["--log-level", "lib.eal:error", "--log-level", "*:error"].map(str::to_owned));
        args.push("--no-telemetry".into());
        if options.in_memory {
            args.push("--in-memory".into());
        } else {
            args.extend(["--file-prefix".into(), options.prefix.clone()]);
        }
        if huge {
            if let Some(mib) = options.memory_mib {
                args.extend(["-m".into(), mib.to_string()]);
            }
        } else {
            args.extend(["--no-huge".into(), "-m".into(), needed.to_string()]);
            args.push("--iova-mode=va".into());
        }
        if options.pci.is_empty() {
            args.push("--no-pci".into());
        }
        for device in &options.pci {
            args.extend(["-a".into(), device.clone()]);
        }
        args.extend(options.extra.iter().cloned());

        let mut strings = Vec::with_capacity(args.len());
        for arg in args {
            let string = CString::new(arg.clone()).map_err(|_| EalError::Argument(arg))?;
            // EAL may rearrange and keep its arguments, so they live as long as the process.
            strings.push(string.into_raw());
        }
        let count = strings.len() as i32;
        let strings = Box::leak(strings.into_boxed_slice());
        // SAFETY: `strings` are `count` C strings that are never freed.
        if unsafe { dpdk_sys::rte_eal_init(count, strings.as_mut_ptr()) } < 0 {
            // SAFETY: reads a thread-local variable.
            let number = unsafe { dpdk_sys::dpdk_errno() };
            return Err(match number {
                libc_errno::EACCES | libc_errno::EPERM => EalError::NoPermission(describe(number)),
                libc_errno::EAGAIN => EalError::InstanceRunning(options.prefix.clone()),
                libc_errno::ENOMEM if huge => EalError::NoHugepages { needed, free },
                _ => EalError::Other(describe(number)),
            });
        }
        Ok(Self { huge })
    }

    /// True when packet memory comes from hugepages.
    pub fn huge(&self) -> bool {
        self.huge
    }
}

/// The few numbers of `errno.h` that are told apart.
mod libc_errno {
    pub(super) const EPERM: i32 = 1;
    pub(super) const EAGAIN: i32 = 11;
    pub(super) const ENOMEM: i32 = 12;
    pub(super) const EACCES: i32 = 13;
}

impl Drop for Eal {
    fn drop(&mut self) {
        // SAFETY: EAL runs, and the owner of this value has let go of ports and packets.
        unsafe {
            dpdk_sys::rte_eal_cleanup();
        }
    }
}

/// This thread, known to EAL: it has a cache of its own in every pool.
pub struct Registration(());

impl Registration {
    /// Makes this thread known.
    ///
    /// # Errors
    /// When EAL has no place for another thread.
    pub fn new() -> Result<Self, EalError> {
        // SAFETY: EAL runs when threads of the router do.
        if unsafe { dpdk_sys::rte_thread_register() } < 0 {
            return Err(EalError::Other(format!("no place for another thread: {}", last_error())));
        }
        Ok(Self(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: this thread registered, and ends.
        unsafe { dpdk_sys::rte_thread_unregister() }
    }
}

/// Ticks of the time stamp counter in a second.
pub fn tsc_hz() -> u64 {
    // SAFETY: reads a variable that EAL set at start.
    unsafe { dpdk_sys::rte_get_tsc_hz() }
}

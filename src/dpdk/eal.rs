//! The environment abstraction layer: hugepages, cores, devices. Started once a process.
//!
//! - takes: what the configuration says about memory and PCI devices
//! - gives: a process in which pools and ports can be made, and threads that EAL knows
//! - costs: nothing while packets flow

use std::{
    ffi::{CStr, CString, c_char},
    marker::PhantomData,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use dpdk_sys as sys;
use rustix::{
    fs::{Access, access},
    io::Errno,
    thread::{CpuSet, sched_getaffinity},
};
use thiserror::Error;

pub use super::log::LogLevel;
use super::{log, pages};

/// MiB of packet memory when nobody says how much; also DPDK's own figure without hugepages.
const DEFAULT_MIB: u32 = 64;

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
    /// A device will give packet memory to another process, by the file that EAL has it in.
    pub shares: bool,
    /// MiB of packet memory to take at start.
    pub memory_mib: Option<u32>,
    /// PCI devices to take; none means that the bus is not looked at.
    pub pci: Vec<String>,
    /// Virtual devices to make at start, as `net_null0` or `net_pcap0,rx_pcap=in.pcap`; ports that
    /// are opened later need none.
    pub vdevs: Vec<String>,
    /// How much of DPDK's own log goes to standard error.
    pub log: LogLevel,
    /// Let DPDK use 512-bit instructions, which it otherwise keeps from its libraries.
    pub simd_512: bool,
    /// Answer `dpdk-telemetry.py`.
    pub telemetry: bool,
    /// Further EAL arguments, last on the line.
    pub extra: Vec<String>,
}

impl Default for EalOptions {
    fn default() -> Self {
        Self {
            prefix: "wagonway".into(),
            huge: Huge::Auto,
            in_memory: false,
            shares: false,
            memory_mib: None,
            pci: Vec::new(),
            vdevs: Vec::new(),
            log: LogLevel::Quiet,
            simd_512: false,
            telemetry: false,
            extra: Vec::new(),
        }
    }
}

/// EAL did not start.
#[derive(Debug, Error)]
pub enum EalError {
    /// A second start, also after an end.
    #[error("DPDK has been started before in this process, and can be started only once")]
    AlreadyStarted,
    /// `Huge::Always` without enough of them.
    #[error(
        "{needed} MiB of hugepages are needed and {free} MiB are free; reserve some \
         (`sysctl vm.nr_hugepages=1024`) or set `dpdk.huge = \"never\"`"
    )]
    NoHugepages {
        /// MiB needed.
        needed: u32,
        /// MiB free.
        free: u64,
    },
    /// There are hugepages, but no directory to take them from.
    #[error(
        "hugepages are free, but no hugetlbfs that this user may write to is mounted; mount one \
         (`mount -t hugetlbfs none /dev/hugepages`) or set `dpdk.in-memory = true`"
    )]
    NoHugetlbfs,
    /// Another process runs under this name.
    #[error("another instance named {0:?} is running; stop it or choose another `instance.name`")]
    InstanceRunning(String),
    /// Not allowed.
    #[error(
        "no permission to start DPDK: {0}; run as root, or set `dpdk.huge = \"never\"` and \
             `dpdk.in-memory = true`"
    )]
    NoPermission(String),
    /// A device of `EalOptions` did not start.
    #[error("device {device}: {why}")]
    DeviceFailed {
        /// The device.
        device: String,
        /// The driver's reason.
        why: String,
    },
    /// An argument that cannot be passed on.
    #[error("EAL argument {0:?} holds a character that cannot be there")]
    Argument(String),
    /// No place for one more thread.
    #[error("DPDK has no place for another thread: {0}")]
    Thread(String),
    /// Anything else, as DPDK says it.
    #[error("DPDK did not start: {0}")]
    Other(String),
}

static RUNNING: AtomicBool = AtomicBool::new(false);

/// EAL, running. When it is dropped, all packet memory is gone: ports, queues and packets end
/// before.
#[derive(Debug)]
pub struct Eal {
    huge: bool,
    notes: Vec<String>,
}

/// The last error of this thread, in DPDK's words.
pub(super) fn last_error() -> String {
    // SAFETY: the shim reads a thread-local variable.
    describe(unsafe { sys::dpdk_errno() })
}

/// An error number in DPDK's words.
pub(super) fn describe(number: i32) -> String {
    // SAFETY: `rte_strerror` returns a string that lives until the next call on this thread.
    unsafe { CStr::from_ptr(sys::rte_strerror(number.abs())) }.to_string_lossy().into_owned()
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

/// A mounted hugetlbfs that this user may write to. `mounts` is in the form of `/proc/mounts`.
fn hugetlbfs(mounts: &str, writable: impl Fn(&str) -> bool) -> bool {
    mounts.lines().any(|line| {
        let mut words = line.split(' ');
        let (_, dir, kind) = (words.next(), words.next(), words.next());
        kind == Some("hugetlbfs") && dir.is_some_and(&writable)
    })
}

/// What is there to take packet memory from.
struct Pages {
    free_mib: u64,
    reachable: bool,
}

/// Decides about hugepages, with a note when ordinary pages are used without being asked for.
fn choose_pages(options: &EalOptions, pages: &Pages) -> Result<(bool, Option<String>), EalError> {
    let needed = options.memory_mib.unwrap_or(DEFAULT_MIB);
    let enough = pages.free_mib >= u64::from(needed);
    let reachable = options.in_memory || pages.reachable;
    match options.huge {
        Huge::Never => Ok((false, None)),
        Huge::Always if !enough => Err(EalError::NoHugepages {
            needed,
            free: pages.free_mib,
        }),
        Huge::Always if !reachable => Err(EalError::NoHugetlbfs),
        Huge::Auto if !enough => Ok((
            false,
            Some(format!(
                "packet memory comes from ordinary pages, which is slower: {needed} MiB of \
                 hugepages are needed and {} MiB are free (`sysctl vm.nr_hugepages=1024`)",
                pages.free_mib
            )),
        )),
        Huge::Auto if !reachable => Ok((
            false,
            Some(
                "packet memory comes from ordinary pages, which is slower: hugepages are free, but \
                 no hugetlbfs that this user may write to is mounted"
                    .into(),
            ),
        )),
        Huge::Always | Huge::Auto => Ok((true, None)),
    }
}

/// EAL's command line, without the program's name.
fn arguments(options: &EalOptions, huge: bool, cpus: &[usize]) -> Vec<String> {
    // One lcore that may run on every CPU: EAL pins its thread to the lcore's CPUs, and the
    // management core must not share one with a worker just because EAL started on it.
    let cpus = cpus.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut args = vec!["--lcores".to_owned(), format!("0@({})", cpus.join(","))];
    // Reasons for failures are taken from the log, so DPDK writes it whatever the operator sees.
    let level = options.log.number().max(sys::RTE_LOG_NOTICE);
    args.push(format!("--log-level=*:{level}"));
    match (options.in_memory, huge) {
        (true, true) => args.push("--in-memory".into()),
        // Ordinary pages are in no file anyway, and EAL takes the two options for a contradiction.
        (true, false) => args.push("--no-shconf".into()),
        (false, _) => args.push(format!("--file-prefix={}", options.prefix)),
    }
    if huge {
        if let Some(mib) = options.memory_mib {
            args.extend(["-m".into(), mib.to_string()]);
        }
    } else {
        let mib = options.memory_mib.unwrap_or(DEFAULT_MIB);
        args.extend(["--no-huge".into(), "-m".into(), mib.to_string()]);
        // Ordinary pages have no physical address that stays.
        args.push("--iova-mode=va".into());
    }
    if options.pci.is_empty() {
        args.push("--no-pci".into());
    }
    for device in &options.pci {
        args.extend(["-a".into(), device.clone()]);
    }
    for device in &options.vdevs {
        args.push(format!("--vdev={device}"));
    }
    if options.simd_512 {
        args.push("--force-max-simd-bitwidth=512".into());
    }
    if !options.telemetry {
        args.push("--no-telemetry".into());
    }
    args.extend(options.extra.iter().cloned());
    args
}

/// CPUs that this process may run on and that DPDK can count.
fn allowed_cpus() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| {
        let mut first = CpuSet::new();
        first.set(0);
        first
    });
    (0..CpuSet::MAX_CPU.min(sys::RTE_MAX_LCORE as usize)).filter(|cpu| set.is_set(*cpu)).collect()
}

impl Eal {
    /// Starts EAL. The calling thread becomes its main lcore and stays free to run on any CPU.
    ///
    /// # Errors
    /// When EAL has been started before, or refuses.
    pub fn start(options: &EalOptions) -> Result<Self, EalError> {
        if options.prefix.is_empty() || options.prefix.contains(['/', '%']) {
            return Err(EalError::Argument(options.prefix.clone()));
        }
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let pages = Pages {
            free_mib: free_hugepages_mib(),
            reachable: hugetlbfs(&mounts, |dir| access(dir, Access::WRITE_OK).is_ok()),
        };
        let (huge, note) = choose_pages(options, &pages)?;

        let mut strings = vec![c"wagonway".to_owned()];
        for arg in arguments(options, huge, &allowed_cpus()) {
            strings.push(CString::new(arg.clone()).map_err(|_| EalError::Argument(arg))?);
        }
        if RUNNING.swap(true, Ordering::SeqCst) {
            return Err(EalError::AlreadyStarted);
        }
        log::capture(options.log);
        let mark = log::mark();
        let code = init(strings);
        if code < 0 {
            // SAFETY: reads a thread-local variable.
            let errno = unsafe { sys::dpdk_errno() };
            RUNNING.store(false, Ordering::SeqCst);
            return Err(explain(options, huge, pages.free_mib, errno, log::since(mark)));
        }
        log::capture_xdp();
        let mut notes: Vec<String> = note.into_iter().collect();
        // A device on a bus has been told of its memory by now, and who shares memory has it in a file.
        if !huge && options.in_memory && !options.shares && options.pci.is_empty() {
            notes.extend(
                pages::join().err().map(|why| format!("packet memory stays in small pages: {why}")),
            );
        }
        let eal = Self { huge, notes };
        // EAL starts without a virtual device that failed.
        let failed = |device: &&String| {
            let name = device.split(',').next().unwrap_or(device);
            log::has_since(mark, &format!("failed to initialize {name} device"))
        };
        match options.vdevs.iter().find(failed) {
            None => Ok(eal),
            Some(device) => {
                Err(EalError::DeviceFailed { device: device.clone(), why: log::since(mark) })
            }
        }
    }

    /// True when packet memory comes from hugepages.
    pub fn huge(&self) -> bool {
        self.huge
    }

    /// What the operator should know about the start, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Drop for Eal {
    fn drop(&mut self) {
        // SAFETY: EAL runs, and the owner of this value has let go of ports and packets.
        unsafe {
            sys::rte_eal_cleanup();
        }
    }
}

fn init(strings: Vec<CString>) -> i32 {
    // EAL may rearrange and keep its arguments, so they live as long as the process.
    let mut pointers: Vec<*mut c_char> = strings.into_iter().map(CString::into_raw).collect();
    let count = i32::try_from(pointers.len()).unwrap_or(i32::MAX);
    pointers.push(std::ptr::null_mut());
    let pointers = Box::leak(pointers.into_boxed_slice());
    // SAFETY: `pointers` are `count` C strings and a null that are never freed.
    unsafe { sys::dpdk_eal_init(count, pointers.as_mut_ptr()) }
}

/// Makes a fact of a failed start.
fn explain(options: &EalOptions, huge: bool, free: u64, errno: i32, log: String) -> EalError {
    let needed = options.memory_mib.unwrap_or(DEFAULT_MIB);
    if log.contains("another primary process") {
        return EalError::InstanceRunning(options.prefix.clone());
    }
    let named = |device: &&String| {
        let name = device.split(',').next().unwrap_or(device);
        log.contains(name)
    };
    let devices = || options.vdevs.iter().chain(&options.pci);
    let why = match (log.is_empty(), errno) {
        (false, _) => log.clone(),
        (true, 0) => "DPDK gives no reason".into(),
        (true, errno) => describe(errno),
    };
    match Errno::from_raw_os_error(errno) {
        Errno::ALREADY => EalError::AlreadyStarted,
        Errno::NOMEM if huge => EalError::NoHugepages { needed, free },
        Errno::ACCESS if huge && log.contains("hugepage information") => {
            EalError::NoHugepages { needed, free }
        }
        Errno::ACCESS | Errno::PERM => EalError::NoPermission(why),
        Errno::NODEV | Errno::NOTSUP | Errno::INVAL => match devices().find(named) {
            Some(device) => EalError::DeviceFailed { device: device.clone(), why },
            None => EalError::Other(why),
        },
        _ if log.contains("Permission denied") => EalError::NoPermission(why),
        _ => EalError::Other(why),
    }
}

/// This thread, known to EAL: it has a cache of its own in every pool.
#[derive(Debug)]
pub struct Registration {
    /// It ends on the thread that it began on.
    here: PhantomData<*const ()>,
}

impl Registration {
    /// Makes this thread known.
    ///
    /// # Errors
    /// When EAL has no place for another thread.
    pub fn new() -> Result<Self, EalError> {
        // SAFETY: EAL runs when threads of the router do; before, the call only fails.
        if unsafe { sys::rte_thread_register() } < 0 {
            return Err(EalError::Thread(last_error()));
        }
        Ok(Self { here: PhantomData })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: this thread registered, and is the one that ends it.
        unsafe { sys::rte_thread_unregister() }
    }
}

/// Ticks of the time stamp counter in a second. Zero before EAL has started.
pub fn tsc_hz() -> u64 {
    // SAFETY: reads a variable that EAL set at start.
    unsafe { sys::rte_get_tsc_hz() }
}

/// So many ticks of the time stamp counter in nanoseconds.
pub fn nanos(ticks: u64) -> u64 {
    (u128::from(ticks) * 1_000_000_000 / u128::from(tsc_hz().max(1))) as u64
}

/// NUMA socket of a CPU, where the machine has more than one; as the kernel numbers them.
pub fn socket_of_cpu(cpu: usize) -> Option<u32> {
    let dir = Path::new("/sys/devices/system/cpu").join(format!("cpu{cpu}"));
    std::fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_prefix("node")?.parse().ok()
    })
}

/// The version of DPDK that runs, such as `DPDK 22.11.11`.
pub fn version() -> String {
    // SAFETY: returns a string that lives as long as the process.
    unsafe { CStr::from_ptr(sys::rte_version()) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(prefix: &str) -> EalOptions {
        EalOptions { prefix: prefix.into(), huge: Huge::Never, ..EalOptions::default() }
    }

    #[test]
    fn hugepages_are_used_when_they_are_there_and_may_be() {
        let pages = |free_mib, reachable| Pages { free_mib, reachable };
        let of = |huge, in_memory| EalOptions {
            huge,
            in_memory,
            memory_mib: Some(512),
            ..EalOptions::default()
        };
        let auto = of(Huge::Auto, false);
        assert!(matches!(choose_pages(&auto, &pages(512, true)), Ok((true, None))));
        let Ok((false, Some(note))) = choose_pages(&auto, &pages(511, true)) else {
            panic!();
        };
        assert!(note.contains("512 MiB") && note.contains("511 MiB"), "{note}");
        let Ok((false, Some(note))) = choose_pages(&auto, &pages(1024, false)) else {
            panic!();
        };
        assert!(note.contains("hugetlbfs"), "{note}");
        let in_memory = of(Huge::Auto, true);
        assert!(matches!(choose_pages(&in_memory, &pages(512, false)), Ok((true, None))));
        let never = of(Huge::Never, false);
        assert!(matches!(choose_pages(&never, &pages(4096, true)), Ok((false, None))));
        let always = of(Huge::Always, false);
        assert!(matches!(
            choose_pages(&always, &pages(100, true)),
            Err(EalError::NoHugepages { needed: 512, free: 100 })
        ));
        assert!(matches!(choose_pages(&always, &pages(512, false)), Err(EalError::NoHugetlbfs)));
    }

    #[test]
    fn a_hugetlbfs_counts_only_when_it_may_be_written_to() {
        let mounts = "none /proc proc rw 0 0\nnone /dev/hugepages hugetlbfs rw 0 0\n";
        assert!(hugetlbfs(mounts, |dir| dir == "/dev/hugepages"));
        assert!(!hugetlbfs(mounts, |_| false));
        assert!(!hugetlbfs("none /dev/hugepages tmpfs rw 0 0\n", |_| true));
    }

    #[test]
    fn the_command_line_pins_nobody_and_looks_at_no_bus_it_need_not() {
        let line = arguments(&quick("one"), false, &[0, 2, 3]).join(" ");
        assert!(line.contains("--lcores 0@(0,2,3)"), "{line}");
        assert!(line.contains("--no-pci") && line.contains("--file-prefix=one"), "{line}");
        assert!(line.contains("--no-huge -m 64"), "{line}");
        let options = EalOptions {
            pci: vec!["0000:01:00.0".into()],
            simd_512: true,
            extra: vec!["--match-allocations".into()],
            ..EalOptions::default()
        };
        let line = arguments(&options, true, &[0]).join(" ");
        assert!(line.contains("-a 0000:01:00.0") && !line.contains("--no-pci"), "{line}");
        assert!(line.contains("--force-max-simd-bitwidth=512"), "{line}");
        assert!(line.ends_with("--match-allocations") && !line.contains("--no-huge"), "{line}");
    }

    #[test]
    fn starting_twice_is_refused_and_leaves_the_first_running() {
        let options = quick("started-twice");
        let eal = Eal::start(&options).unwrap();
        assert!(matches!(Eal::start(&options), Err(EalError::AlreadyStarted)));
        assert!(tsc_hz() > 1_000_000);
        drop(eal);
        assert!(matches!(Eal::start(&options), Err(EalError::AlreadyStarted)));
    }

    /// The second instance is this test in another process.
    #[test]
    fn a_second_instance_of_one_name_is_refused() {
        const NAME: &str = "dpdk::eal::tests::a_second_instance_of_one_name_is_refused";
        if let Ok(prefix) = std::env::var("WAGONWAY_TEST_PREFIX") {
            let error = Eal::start(&quick(&prefix)).unwrap_err();
            assert!(
                matches!(&error, EalError::InstanceRunning(name) if *name == prefix),
                "{error}"
            );
            return;
        }
        let prefix = format!("twice{}", std::process::id());
        let _eal = Eal::start(&quick(&prefix)).unwrap();
        let second = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env("WAGONWAY_TEST_PREFIX", &prefix)
            .output()
            .unwrap();
        assert!(second.status.success(), "{second:?}");
        assert!(String::from_utf8_lossy(&second.stdout).contains("1 passed"), "{second:?}");
        assert!(!String::from_utf8_lossy(&second.stderr).contains("EAL"), "{second:?}");
    }

    #[test]
    fn hugepages_that_are_not_there_are_told_with_how_many() {
        // More than any machine that runs tests has.
        let options =
            EalOptions { huge: Huge::Always, memory_mib: Some(u32::MAX), ..EalOptions::default() };
        let error = Eal::start(&options).unwrap_err();
        assert!(matches!(error, EalError::NoHugepages { needed: u32::MAX, .. }), "{error}");
    }

    #[test]
    fn a_device_that_does_not_start_is_named() {
        let options = EalOptions {
            in_memory: true,
            vdevs: vec!["net_pcap0,rx_pcap=/no/such.pcap".into()],
            ..quick("no-device")
        };
        let error = Eal::start(&options).unwrap_err();
        assert!(
            matches!(&error, EalError::DeviceFailed { device, why }
                if device.starts_with("net_pcap0") && why.contains("/no/such.pcap")),
            "{error}"
        );
    }

    #[test]
    fn an_argument_that_eal_does_not_know_is_told() {
        let options = EalOptions { extra: vec!["--no-such-thing".into()], ..quick("no-argument") };
        let error = Eal::start(&options).unwrap_err().to_string();
        assert!(error.contains("no-such-thing"), "{error}");
    }

    #[test]
    fn workers_get_a_place_and_give_it_back() {
        let _eal = Eal::start(&quick("workers")).unwrap();
        for _ in 0..3 {
            let threads: Vec<_> =
                (0..50).map(|_| std::thread::spawn(|| Registration::new().is_ok())).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        }
    }

    #[test]
    fn the_main_thread_may_still_run_everywhere() {
        let before = allowed_cpus();
        let _eal = Eal::start(&quick("everywhere")).unwrap();
        assert_eq!(allowed_cpus(), before);
    }
}

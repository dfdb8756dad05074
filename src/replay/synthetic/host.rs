//! The machine that is measured, as far as the kernel tells.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    config::Config,
    dpdk::eal::{self, tsc_hz},
    setup,
    telemetry::{
        report::FactRow,
        words::{bytes, date, grouped},
    },
};

/// A file of one line.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What stands behind a word and a colon in a file of such lines.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (word, value) = line.split_once(':')?;
        (word.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The processor, as the kernel names it.
pub(super) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    field(&text, "model name").unwrap_or_else(|| "unknown".into())
}

/// `L1d 48K, L1i 32K, L2 2048K`: the caches that a core uses.
fn caches(directory: &Path) -> Option<String> {
    let mut found = Vec::new();
    for index in 0.. {
        let directory = directory.join(format!("index{index}"));
        let Some(level) = line(directory.join("level")) else { break };
        let kind = match line(directory.join("type")).as_deref() {
            Some("Data") => "d",
            Some("Instruction") => "i",
            _ => "",
        };
        if let Some(size) = line(directory.join("size")) {
            let kib = size.strip_suffix('K').and_then(|size| size.parse::<u64>().ok());
            let size = kib.map_or(size, |kib| bytes(kib << 10));
            found.push(format!("L{level}{kind} {size}"));
        }
    }
    (!found.is_empty()).then(|| found.join(", "))
}

/// Hugepages of each size, and how many of them are free.
fn hugepages(directory: &Path) -> String {
    let sizes = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<(u64, String)> = sizes
        .filter_map(|size| {
            let name = size.file_name().into_string().ok()?;
            let kib: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let all = line(size.path().join("nr_hugepages")).filter(|all| all != "0")?;
            let free = line(size.path().join("free_hugepages"))?;
            Some((kib, format!("{all} of {}, {free} free", bytes(kib << 10))))
        })
        .collect();
    found.sort();
    let words: Vec<_> = found.into_iter().map(|(_, text)| text).collect();
    if words.is_empty() { "none".into() } else { words.join("; ") }
}

/// The word in brackets: what is chosen.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}

/// All that is known, in the order in which people ask.
pub(super) fn facts(config: &Config, workers: usize) -> Vec<FactRow> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let online = line("/sys/devices/system/cpu/online").unwrap_or_else(|| "unknown".into());
    let on: Vec<_> = setup::cores(config, workers).iter().map(usize::to_string).collect();
    let on = if on.is_empty() { "any".into() } else { on.join(", ") };
    let first = setup::cores(config, workers).first().copied().unwrap_or(0);
    let core = Path::new("/sys/devices/system/cpu").join(format!("cpu{first}"));
    let flags = field(&cpu, "flags").unwrap_or_default();
    let kib = field(&memory, "MemTotal")
        .and_then(|text| text.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()));
    let isolated = line("/sys/devices/system/cpu/isolated").unwrap_or_else(|| "none".into());
    let thp = line("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|text| chosen(&text));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let all = [
        ("Processor", Some(processor())),
        (
            "Virtual machine",
            Some(if flags.split(' ').any(|flag| flag == "hypervisor") {
                "yes".to_owned()
            } else {
                "no".to_owned()
            }),
        ),
        ("Cores", Some(format!("online: {online}; workers on: {on}; isolated: {isolated}"))),
        ("Time stamp counter", Some(format!("{} MHz", grouped(tsc_hz() / 1_000_000)))),
        ("Frequency governor", line(core.join("cpufreq/scaling_governor"))),
        ("Caches", caches(&core.join("cache"))),
        ("Memory", kib.map(|kib| bytes(kib << 10))),
        ("Hugepages", Some(hugepages(Path::new("/sys/kernel/mm/hugepages")))),
        ("Transparent hugepages", thp),
        ("Kernel", line("/proc/sys/kernel/osrelease")),
        ("DPDK", Some(eal::version())),
        ("Wagonway", Some(env!("WAGONWAY_VERSION").to_owned())),
        ("Configuration", Some(config.source.name.clone())),
        ("Date", Some(date(now))),
    ];
    let rows = all
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| FactRow { name: name.to_owned(), value }));
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_as_it_is_written() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\nmodel\t\t: 7\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A: fast one"));
        assert_eq!(field(text, "model").as_deref(), Some("7"));
        assert_eq!(field(text, "flags"), None);
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(chosen("always"), None);
    }

    #[test]
    fn caches_and_hugepages_are_those_of_the_files() {
        let directory = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (index, level, kind, size) in
            [(0, "1", "Data", "48K"), (1, "1", "Instruction", "32K"), (2, "2", "Unified", "2048K")]
        {
            put(&format!("index{index}/level"), level);
            put(&format!("index{index}/type"), kind);
            put(&format!("index{index}/size"), size);
        }
        let found = caches(directory.path());
        assert_eq!(found.as_deref(), Some("L1d 48.0 KiB, L1i 32.0 KiB, L2 2.0 MiB"));
        assert_eq!(caches(&directory.path().join("none")), None);
        assert_eq!(hugepages(&directory.path().join("huge")), "none");
        put("huge/hugepages-2048kB/nr_hugepages", "64\n");
        put("huge/hugepages-2048kB/free_hugepages", "60\n");
        put("huge/hugepages-1048576kB/nr_hugepages", "0\n");
        let found = hugepages(&directory.path().join("huge"));
        assert_eq!(found, "64 of 2.0 MiB, 60 free");
    }
}

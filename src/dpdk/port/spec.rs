//! Names of devices, as configuration files and commands write them.

use std::{fs::File, io, path::Path};

use thiserror::Error;

use super::kernel::Interface;

/// A device cannot be what its name says.
#[derive(Debug, Error)]
pub enum SpecError {
    /// Neither a PCI address nor a known kind.
    #[error(
        "{0:?} is not a device; write a PCI address (0000:01:00.0) or one of af_xdp:IF, \
         af_packet:IF, tap:NAME, pcap:IN[,OUT], null, ring, memif:PATH, vhost:PATH"
    )]
    Unknown(String),
    /// A kind that needs something behind the colon.
    #[error("{kind}: needs {what}, as in {kind}:{example}")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// What is missing.
        what: &'static str,
        /// An example of it.
        example: &'static str,
    },
    /// A kernel interface that is not there.
    #[error("there is no interface {0:?} on this machine; `ip link` lists those there are")]
    NoInterface(String),
    /// A PCI device that is not there.
    #[error(
        "there is no PCI device {0} on this machine; `dpdk-devbind.py -s` lists those there are"
    )]
    NoPci(String),
    /// A file that cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A name or path that would end early in DPDK's list of arguments.
    #[error("{0:?} holds a character that DPDK cannot take in a name or path")]
    Character(String),
}

/// What a device is, for EAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A PCI device, by its full address; EAL takes it at start.
    Pci(String),
    /// A virtual device.
    Virtual {
        /// Its driver: `net_null`.
        driver: String,
        /// Its name, where the operator gave one; else it is made from the driver.
        name: Option<String>,
        /// Arguments of the driver, separated by commas.
        args: String,
        /// Kernel interface that it stands on.
        interface: Option<String>,
    },
}

/// Drivers whose names begin with another driver's name are told apart by the longest.
fn is_driver(name: &str) -> bool {
    name.strip_prefix("net_").is_some_and(|rest| {
        !rest.is_empty()
            && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

fn interface(kind: &'static str, name: &str) -> Result<String, SpecError> {
    if name.is_empty() {
        return Err(SpecError::Missing { kind, what: "the name of an interface", example: "eth0" });
    }
    match Interface::find(name) {
        Ok(_) => Ok(name.into()),
        Err(_) => Err(SpecError::NoInterface(name.into())),
    }
}

/// The full form of a PCI address, or `None` when the text is none.
fn pci(text: &str) -> Option<String> {
    let full = match text.split(':').count() {
        2 => format!("0000:{text}"),
        3 => text.to_owned(),
        _ => return None,
    };
    let shape: Vec<usize> = full.split([':', '.']).map(str::len).collect();
    let hex = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    (shape == [4, 2, 2, 1] && full.matches('.').count() == 1 && full.chars().all(hex))
        .then(|| full.to_ascii_lowercase())
}

/// Words behind the first, as driver arguments.
fn join(first: String, more: &str) -> String {
    if more.is_empty() { first } else { format!("{first},{more}") }
}

fn needed(
    kind: &'static str,
    first: &str,
    what: &'static str,
    example: &'static str,
) -> Result<String, SpecError> {
    if first.is_empty() {
        return Err(SpecError::Missing { kind, what, example });
    }
    Ok(first.to_owned())
}

impl Device {
    /// Reads a device's name. `mtu` decides the sizes of frames where a driver wants to know.
    ///
    /// # Errors
    /// When the name is of no known form, or names something that is not there.
    pub fn parse(text: &str, mtu: u16) -> Result<Self, SpecError> {
        let text = text.trim();
        if text.contains(['\0', '\n']) {
            return Err(SpecError::Character(text.into()));
        }
        if let Some(address) = pci(text) {
            if !Path::new("/sys/bus/pci/devices").join(&address).exists() {
                return Err(SpecError::NoPci(address));
            }
            return Ok(Self::Pci(address));
        }
        if let Some(device) = raw(text) {
            return Ok(device);
        }
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let (first, more) = rest.split_once(',').unwrap_or((rest, ""));
        let mut under = None;
        let (driver, args) = match kind {
            "af_xdp" => {
                let name = interface("af_xdp", first)?;
                let args = join(format!("iface={name}"), more);
                under = Some(name);
                ("net_af_xdp", args)
            }
            "af_packet" => {
                let name = interface("af_packet", first)?;
                let args = join(format!("iface={name},{}", packet_ring(mtu)), more);
                under = Some(name);
                ("net_af_packet", args)
            }
            "tap" => {
                let name = needed("tap", first, "a name", "wan0")?;
                ("net_tap", join(format!("iface={name}"), more))
            }
            "pcap" if rest.is_empty() => {
                return Err(SpecError::Missing {
                    kind: "pcap",
                    what: "a capture to read",
                    example: "in.pcap,out.pcap",
                });
            }
            "pcap" => ("net_pcap", pcap(first, more)?),
            // Without a word it swallows what it is given; the driver would make packets, too.
            "null" if rest.is_empty() => ("net_null", "no-rx=1".to_owned()),
            "null" => ("net_null", rest.to_owned()),
            "ring" => ("net_ring", rest.to_owned()),
            "memif" => {
                let path = needed("memif", first, "the path of a socket", "/run/memif.sock")?;
                let args = format!("socket={path},socket-abstract=no");
                ("net_memif", join(args, more))
            }
            "vhost" => {
                let path = needed("vhost", first, "the path of a socket", "/run/vhost.sock")?;
                ("net_vhost", join(format!("iface={path}"), more))
            }
            _ => return Err(SpecError::Unknown(text.into())),
        };
        Ok(Self::Virtual { driver: driver.into(), name: None, args, interface: under })
    }
}

/// A device in EAL's own words: `net_null0` or `net_pcap1,rx_pcap=in.pcap`.
fn raw(text: &str) -> Option<Device> {
    let (name, args) = text.split_once(',').unwrap_or((text, ""));
    let driver = name.trim_end_matches(|c: char| c.is_ascii_digit());
    is_driver(driver).then(|| Device::Virtual {
        driver: driver.into(),
        name: (driver.len() < name.len()).then(|| name.into()),
        args: args.into(),
        interface: args
            .split(',')
            .find_map(|word| word.strip_prefix("iface="))
            .filter(|_| ["net_af_packet", "net_af_xdp"].contains(&driver))
            .map(str::to_owned),
    })
}

/// Sizes of the ring that the kernel and the driver share. A frame has room for the longest packet
/// with its link header, two VLAN tags and the kernel's note; a block holds whole frames and whole
/// pages, since the driver counts frames as if there were no gap between blocks.
fn packet_ring(mtu: u16) -> String {
    const PAGE: usize = 4096;
    const STEP: usize = 1024;
    const MOST: usize = 16 << 20;
    let frame = (usize::from(mtu) + 128).next_multiple_of(STEP).max(2048);
    let mut block = frame;
    while !block.is_multiple_of(PAGE) {
        block += frame;
    }
    // The driver divides the number of frames by those of a block, and must get a whole number.
    // Both rings are locked in memory, so long frames get fewer places.
    let count = (MOST / frame).clamp(64, 1024).next_multiple_of(block / frame);
    format!("framesz={frame},blocksz={block},framecnt={count},qdisc_bypass=0")
}

/// `IN`, then `OUT` and driver options in any order; either capture may be left out.
fn pcap(input: &str, more: &str) -> Result<String, SpecError> {
    let fail = |path: &str, error| SpecError::File { path: path.into(), error };
    let (mut words, mut has_output) = (Vec::new(), false);
    if !input.is_empty() {
        readable(input).map_err(|error| fail(input, error))?;
        words.push(format!("rx_pcap={input}"));
    }
    for word in more.split(',').filter(|word| !word.is_empty()) {
        if word.contains('=') {
            words.push(word.into());
        } else {
            let dir = Path::new(word).parent().filter(|dir| *dir != Path::new(""));
            let dir = dir.unwrap_or(Path::new("."));
            if !dir.is_dir() {
                return Err(fail(word, io::ErrorKind::NotFound.into()));
            }
            words.push(format!("tx_pcap={word}"));
            has_output = true;
        }
    }
    if input.is_empty() && !has_output {
        return Err(SpecError::Missing {
            kind: "pcap",
            what: "a capture to read",
            example: "in.pcap,out.pcap",
        });
    }
    Ok(words.join(","))
}

/// Opening a directory succeeds and reading it does not, so a byte is read.
fn readable(path: &str) -> io::Result<()> {
    io::Read::read_exact(&mut File::open(path)?, &mut [0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        match Device::parse(text, 1500) {
            Ok(Device::Virtual { driver, name, args, .. }) => {
                format!("{} {args}", name.unwrap_or(driver))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn short_names_become_driver_arguments() {
        assert_eq!(of("null"), "net_null no-rx=1");
        assert_eq!(of("null:size=128"), "net_null size=128");
        assert_eq!(of("ring"), "net_ring ");
        assert_eq!(of("tap:wan0"), "net_tap iface=wan0");
        assert_eq!(
            of("tap:wan0,mac=02:00:00:00:00:01"),
            "net_tap iface=wan0,mac=02:00:00:00:00:01"
        );
        assert_eq!(
            of("memif:/run/m,role=client"),
            "net_memif socket=/run/m,socket-abstract=no,role=client"
        );
        assert_eq!(of("vhost:/run/v"), "net_vhost iface=/run/v");
        assert_eq!(of("af_xdp:lo,start_queue=1"), "net_af_xdp iface=lo,start_queue=1");
    }

    #[test]
    fn a_port_on_a_kernel_interface_knows_which() {
        for text in ["af_xdp:lo", "af_packet:lo", "net_af_packet0,iface=lo,qpairs=2"] {
            let Ok(Device::Virtual { interface, .. }) = Device::parse(text, 1500) else {
                panic!("{text}");
            };
            assert_eq!(interface.as_deref(), Some("lo"), "{text}");
        }
        let Ok(Device::Virtual { interface, .. }) = Device::parse("net_tap0,iface=lo", 1500) else {
            panic!();
        };
        assert_eq!(interface, None);
    }

    #[test]
    fn eals_own_words_are_taken_as_they_are() {
        assert_eq!(of("net_null0"), "net_null0 ");
        assert_eq!(of("net_null"), "net_null ");
        assert_eq!(of("net_pcap12,rx_pcap=a:b.pcap"), "net_pcap12 rx_pcap=a:b.pcap");
    }

    #[test]
    fn a_ring_of_af_packet_holds_whole_frames_in_whole_pages() {
        bolero::check!().with_type::<u16>().for_each(|mtu| {
            let ring = packet_ring(*mtu);
            let of = |key: &str| -> usize {
                let word = ring.split(',').find_map(|word| word.strip_prefix(key));
                word.unwrap().parse().unwrap()
            };
            let (frame, block, count) = (of("framesz="), of("blocksz="), of("framecnt="));
            assert!(frame >= usize::from(*mtu) + 128);
            assert_eq!(frame % 16, 0);
            assert_eq!(block % 4096, 0);
            assert_eq!(block % frame, 0);
            assert_eq!(count % (block / frame), 0);
        });
    }

    #[test]
    fn a_capture_to_write_needs_no_capture_to_read() {
        assert_eq!(of("pcap:,out.pcap"), "net_pcap tx_pcap=out.pcap");
        assert!(of("pcap:,infinite_rx=1").contains("Missing"));
        assert!(of("pcap:").contains("Missing"));
    }

    #[test]
    fn a_pci_address_may_leave_out_the_domain() {
        assert_eq!(pci("01:00.0").as_deref(), Some("0000:01:00.0"));
        assert_eq!(pci("0000:0A:00.1").as_deref(), Some("0000:0a:00.1"));
        for no in ["1:00.0", "0000:01:00", "0000:01.00.0", "01:00:0", "zz:00.0", "null:0"] {
            assert_eq!(pci(no), None, "{no}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_says_why() {
        let why = |text: &str| Device::parse(text, 1500).unwrap_err().to_string();
        assert!(why("eth7").contains("is not a device"));
        assert!(why("af_xdp:").contains("af_xdp:eth0"));
        assert!(why("tap").contains("tap:wan0"));
        assert!(why("af_packet:nosuch0").contains("no interface \"nosuch0\""));
        assert!(why("af_packet:a-name-of-more-than-15").contains("no interface"));
        assert!(why("ffff:ff:1f.7").contains("no PCI device ffff:ff:1f.7"));
        assert!(why("pcap:/no/such.pcap").contains("/no/such.pcap: No such file"));
        assert!(why("pcap:/").contains("/: Is a directory"));
        assert!(why("pcap:,/no/such/out.pcap").contains("/no/such/out.pcap"));
        assert!(why("memif:").contains("memif:/run/memif.sock"));
    }
}

//! Names of devices, as configuration files and commands write them.

use std::path::Path;

use thiserror::Error;

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
    /// A file that cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// What a device is, for EAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A PCI device; EAL takes it at start.
    Pci(String),
    /// A virtual device: its driver, and arguments behind the name.
    Virtual {
        /// `net_` driver.
        driver: &'static str,
        /// Arguments, with a leading comma each.
        args: String,
    },
}

fn interface(kind: &'static str, name: &str) -> Result<String, SpecError> {
    if name.is_empty() {
        return Err(SpecError::Missing { kind, what: "the name of an interface", example: "eth0" });
    }
    if !Path::new("/sys/class/net").join(name).exists() {
        return Err(SpecError::NoInterface(name.into()));
    }
    Ok(name.into())
}

fn is_pci(text: &str) -> bool {
    let short = text.strip_prefix("0000:").unwrap_or(text);
    let shape: Vec<usize> = short.split([':', '.']).map(str::len).collect();
    let hex = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    shape == [2, 2, 1] && short.chars().all(hex)
}

impl Device {
    /// Reads a device's name. `mtu` decides the sizes of frames where a driver wants to know.
    ///
    /// # Errors
    /// When the name is of no known form, or names something that is not there.
    pub fn parse(text: &str, mtu: u16) -> Result<Self, SpecError> {
        if is_pci(text) {
            return Ok(Self::Pci(text.into()));
        }
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let (first, more) = rest
            .split_once(',')
            .map_or((rest, String::new()), |(first, more)| (first, format!(",{more}")));
        let (driver, args) = match kind {
            "af_xdp" => ("net_af_xdp", format!(",iface={}{more}", interface("af_xdp", first)?)),
            "af_packet" => {
                // The driver's default frame holds 1500 bytes of payload; a frame needs room for
                // its headers, and a block for whole frames.
                let frame = (usize::from(mtu) + 128).next_power_of_two().max(2048);
                let block = frame.max(4096);
                (
                    "net_af_packet",
                    format!(
                        ",iface={},framesz={frame},blocksz={block},framecnt=1024,qdisc_bypass=0{more}",
                        interface("af_packet", first)?
                    ),
                )
            }
            "tap" if first.is_empty() => {
                return Err(SpecError::Missing { kind: "tap", what: "a name", example: "wan0" });
            }
            "tap" => ("net_tap", format!(",iface={first}{more}")),
            "pcap" if first.is_empty() => {
                return Err(SpecError::Missing {
                    kind: "pcap",
                    what: "a capture to read",
                    example: "in.pcap,out.pcap",
                });
            }
            "pcap" => {
                std::fs::File::open(first)
                    .map_err(|error| SpecError::File { path: first.into(), error })?;
                ("net_pcap", pcap_args(first, more.strip_prefix(',').unwrap_or("")))
            }
            "null" if rest.is_empty() => ("net_null", String::new()),
            "null" => ("net_null", format!(",{rest}")),
            "ring" => {
                ("net_ring", if rest.is_empty() { String::new() } else { format!(",{rest}") })
            }
            "memif" if first.is_empty() => {
                return Err(SpecError::Missing {
                    kind: "memif",
                    what: "the path of a socket",
                    example: "/run/memif.sock",
                });
            }
            "memif" => ("net_memif", format!(",socket={first},socket-abstract=no{more}")),
            "vhost" if first.is_empty() => {
                return Err(SpecError::Missing {
                    kind: "vhost",
                    what: "the path of a socket",
                    example: "/run/vhost.sock",
                });
            }
            "vhost" => ("net_vhost", format!(",iface={first}{more}")),
            _ => return Err(SpecError::Unknown(text.into())),
        };
        Ok(Self::Virtual { driver, args })
    }
}

/// `IN`, then `OUT` and driver options in any order.
fn pcap_args(input: &str, rest: &str) -> String {
    let mut args = format!(",rx_pcap={input}");
    for word in rest.split(',').filter(|word| !word.is_empty()) {
        if word.contains('=') {
            args.push_str(&format!(",{word}"));
        } else {
            args.push_str(&format!(",tx_pcap={word}"));
        }
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_become_driver_arguments() {
        let of = |text: &str| match Device::parse(text, 1500) {
            Ok(Device::Virtual { driver, args }) => format!("{driver}{args}"),
            other => format!("{other:?}"),
        };
        assert_eq!(of("null"), "net_null");
        assert_eq!(of("null:size=128"), "net_null,size=128");
        assert_eq!(of("tap:wan0"), "net_tap,iface=wan0");
        assert_eq!(
            of("memif:/run/m,role=client"),
            "net_memif,socket=/run/m,socket-abstract=no,role=client"
        );
        assert_eq!(of("af_xdp:lo"), "net_af_xdp,iface=lo");
        assert!(of("af_packet:lo").contains("framesz=2048"));
        assert_eq!(
            Device::parse("0000:01:00.0", 1500).unwrap(),
            Device::Pci("0000:01:00.0".into())
        );
    }

    #[test]
    fn a_name_that_cannot_be_says_why() {
        let why = |text: &str| Device::parse(text, 1500).unwrap_err().to_string();
        assert!(why("eth7").contains("is not a device"));
        assert!(why("af_xdp:").contains("af_xdp:eth0"));
        assert!(why("af_packet:nosuch0").contains("no interface \"nosuch0\""));
        assert!(why("pcap:/no/such.pcap").contains("/no/such.pcap"));
    }
}

//! Tunables whose values are no numbers: a list of types, and a secret in the form of an address.
//!
//! - takes: a name and the text that stands as its value
//! - gives: what [`Sysctls`] says of it
//! - obeys: `proc_do_large_bitmap` and `addrconf_sysctl_stable_secret` of the kernel

use super::sysctl::{SysctlError, SysctlName, Sysctls, dotted};

/// Names whose values are no numbers, with what they may be, what they are, and what they do.
pub(super) const TEXTS: &[(&str, &str, &str, &str)] = &[
    (
        ICMP6_RATEMASK,
        "a list of types",
        "`0-1,3-127`",
        "Which types of ICMPv6 messages are limited: numbers and ranges of them.",
    ),
    (
        "net.ipv6.conf.IFACE.stable_secret",
        "an IPv6 address",
        "",
        "What addresses are made of (RFC 7217), for an interface or for `default`; with it `addr_gen_mode` is 2 unless it is set.",
    ),
];

/// The one tunable whose value is a list.
const ICMP6_RATEMASK: &str = "net.ipv6.icmp.ratemask";

/// Numbers up to 255 and ranges of them, as bits (`proc_do_large_bitmap`).
fn bitmap(list: &str) -> Option<[u64; 4]> {
    let mut bits = [0; 4];
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u8, u8) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last {
            return None;
        }
        for number in first..=last {
            bits[usize::from(number) / 64] |= 1 << (number % 64);
        }
    }
    Some(bits)
}

/// The interface whose `stable_secret` a name is; of `all` there is none.
fn secret_of(name: &str) -> Option<&str> {
    let of = name.strip_prefix("net.ipv6.conf.")?.strip_suffix(".stable_secret")?;
    (of != "all").then_some(of)
}

impl Sysctls {
    /// `net.ipv6.icmp.ratemask`: a bit for each type of ICMPv6 message that is limited.
    pub fn icmp6_ratemask(&self) -> [u64; 4] {
        self.icmp6_ratemask
    }

    /// Sets a tunable whose value is a list or an address by its name.
    ///
    /// # Errors
    /// When there is no such name, or it cannot have this value.
    pub fn set_list(&mut self, name: &str, list: &str) -> Result<(), SysctlError> {
        let plain = dotted(name);
        if let Some(of) = secret_of(&plain) {
            let secret = list.trim().parse();
            let secret = secret.map_err(|_| SysctlError::Secret { name: name.to_owned() })?;
            self.secrets.insert(of.to_owned(), secret);
            return Ok(());
        }
        if plain != ICMP6_RATEMASK {
            return match SysctlName::find(name) {
                Err(error) => Err(error),
                Ok(which) => {
                    let range = which.range();
                    Err(SysctlError::Range { name: name.to_owned(), range })
                }
            };
        }
        let bits = bitmap(list).ok_or_else(|| SysctlError::List { name: name.to_owned() })?;
        self.icmp6_ratemask = bits;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_icmpv6_are_a_list() {
        let mut sysctls = Sysctls::default();
        assert_eq!(bitmap("0-1,3-127"), Some(sysctls.icmp6_ratemask()));
        sysctls.set_list("net/ipv6/icmp/ratemask", "2-3,129").unwrap();
        assert_eq!(sysctls.icmp6_ratemask(), [0b1100, 0, 2, 0]);
        sysctls.set_list(ICMP6_RATEMASK, "").unwrap();
        assert_eq!(sysctls.icmp6_ratemask(), [0; 4]);
        for bad in ["256", "3-1", "a", "1-", "-1"] {
            let error = sysctls.set_list(ICMP6_RATEMASK, bad).unwrap_err();
            assert!(matches!(error, SysctlError::List { .. }), "{bad}");
        }
        assert!(sysctls.set_list("net.ipv4.icmp_ratemask", "1").is_err());
    }
}

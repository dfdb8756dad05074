//! Tunables of the neighbour tables: `net.ipv4.neigh.DEV.*` and `net.ipv6.neigh.DEV.*`.
//!
//! - obeys: `arp(7)`, `ip-sysctl.rst`; `default` is of all interfaces without a value of their own

use std::ops::RangeInclusive;

use crate::neighbour::control::{Family, Neighbours, Params, Var};

const INT: i64 = i32::MAX as i64;

/// What is tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeighWhat {
    /// A parameter of an interface.
    Var(Var),
    /// `unres_qlen`: `unres_qlen_bytes` in full frames.
    UnresQlen,
    /// `gc_thresh1` to `gc_thresh3`.
    Thresh(u8),
    /// `gc_interval`
    GcInterval,
}

/// A tunable of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeighName {
    /// The table.
    pub family: Family,
    /// The interface; `None` for `default`, which goes first.
    pub dev: Option<String>,
    /// What is tuned.
    pub what: NeighWhat,
}

/// All that is tuned, with the last words of the names.
pub(super) fn all() -> impl Iterator<Item = (&'static str, NeighWhat)> {
    let vars = Var::ALL.iter().map(|var| (var.name(), NeighWhat::Var(*var)));
    let others = [
        ("unres_qlen", NeighWhat::UnresQlen),
        ("gc_thresh1", NeighWhat::Thresh(1)),
        ("gc_thresh2", NeighWhat::Thresh(2)),
        ("gc_thresh3", NeighWhat::Thresh(3)),
        ("gc_interval", NeighWhat::GcInterval),
    ];
    vars.chain(others)
}

impl NeighWhat {
    /// It is of the whole table.
    pub const fn is_of_table(self) -> bool {
        matches!(self, Self::Thresh(_) | Self::GcInterval)
    }

    /// The values that it may have.
    pub const fn range(self) -> RangeInclusive<i64> {
        match self {
            Self::Var(Var::BaseReachableTime | Var::RetransTime | Var::IntervalProbeTime) => {
                1..=INT
            }
            _ => 0..=INT,
        }
    }

    /// What it does.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Var(var) => match var {
                Var::McastSolicit => {
                    "Most broadcast or multicast questions for a neighbour before it counts as failed."
                }
                Var::UcastSolicit => {
                    "Most questions to a neighbour's old address before it counts as failed."
                }
                Var::AppSolicit => {
                    "Questions to those who watch (`ip monitor neigh`) before any is broadcast."
                }
                Var::McastResolicit => "Broadcast questions after unicast ones without an answer.",
                Var::RetransTime => "Milliseconds between two questions for a neighbour.",
                Var::BaseReachableTime => {
                    "Milliseconds for which a neighbour that answered counts as reachable, in the mean."
                }
                Var::DelayFirstProbeTime => {
                    "Seconds to wait before a stale neighbour in use is asked again."
                }
                Var::IntervalProbeTime => "Milliseconds between two looks at managed neighbours.",
                Var::GcStaleTime => {
                    "Seconds after which a stale neighbour that nothing uses may be forgotten."
                }
                Var::UnresQlenBytes => {
                    "Most bytes of packets that wait for one neighbour's address."
                }
                Var::ProxyQlen => "Most questions that wait for the answer of a proxy.",
                Var::AnycastDelay => {
                    "Hundredths of a second that an answer for an anycast address waits at most."
                }
                Var::ProxyDelay => {
                    "Hundredths of a second that the answer of a proxy waits at most; 0 to answer at once."
                }
                Var::Locktime => {
                    "Hundredths of a second for which a new link-layer address is not replaced by another."
                }
            },
            Self::UnresQlen => "The same as unres_qlen_bytes, in full frames.",
            Self::Thresh(1) => {
                "With fewer neighbours none is forgotten; an eighth of `limits.neighbours` unless set."
            }
            Self::Thresh(2) => {
                "From here on a new neighbour has old ones forgotten, every 5 s at most; half of `limits.neighbours` unless set."
            }
            Self::Thresh(_) => "Most neighbours that were learned; `limits.neighbours` unless set.",
            Self::GcInterval => "Nothing depends on it, as in Linux.",
        }
    }
}

impl NeighName {
    /// What a name stands for, with dots and without the `net.`.
    pub(super) fn find(below: &str) -> Option<Self> {
        let (family, rest) = match below.strip_prefix("ipv4.neigh.") {
            Some(rest) => (Family::Arp, rest),
            None => (Family::Ndisc, below.strip_prefix("ipv6.neigh.")?),
        };
        // The name of an interface may contain dots itself.
        let (dev, word) = rest.rsplit_once('.')?;
        let (_, what) = all().find(|(name, _)| *name == word)?;
        let dev = Some(dev).filter(|dev| *dev != "default").map(str::to_owned);
        (dev.is_none() || !what.is_of_table()).then_some(Self { family, dev, what })
    }

    /// Gives the tables a value.
    pub fn apply<P>(&self, neighbours: &mut Neighbours<P>, iface: Option<u16>, value: i64) {
        let (family, value) = (self.family, u64::try_from(value).unwrap_or(0));
        let mut thresholds = *neighbours.thresholds(family);
        let number = usize::try_from(value).unwrap_or(usize::MAX);
        match self.what {
            NeighWhat::Var(var) => return neighbours.set_param(iface, family, var, value),
            NeighWhat::UnresQlen => {
                let bytes = Params::unres_qlen_bytes(value);
                return neighbours.set_param(iface, family, Var::UnresQlenBytes, bytes);
            }
            NeighWhat::Thresh(1) => thresholds.thresh1 = number,
            NeighWhat::Thresh(2) => thresholds.thresh2 = number,
            NeighWhat::Thresh(_) => thresholds.thresh3 = number,
            NeighWhat::GcInterval => thresholds.interval = value,
        }
        neighbours.set_thresholds(family, thresholds);
    }

    /// The value while nothing sets it; thresholds are those of a table of this size.
    pub fn value<P>(&self, neighbours: &Neighbours<P>, iface: Option<u16>) -> i64 {
        let (params, thresholds) =
            (neighbours.params(iface, self.family), neighbours.thresholds(self.family));
        let value = match self.what {
            NeighWhat::Var(var) => params.get(var),
            NeighWhat::UnresQlen => params.unres_qlen(),
            NeighWhat::Thresh(1) => thresholds.thresh1 as u64,
            NeighWhat::Thresh(2) => thresholds.thresh2 as u64,
            NeighWhat::Thresh(_) => thresholds.thresh3 as u64,
            NeighWhat::GcInterval => thresholds.interval,
        };
        i64::try_from(value).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_a_table_an_interface_and_a_parameter() {
        let find = |name| NeighName::find(name);
        let name = find("ipv4.neigh.lan.5.locktime").unwrap();
        assert_eq!((name.family, name.dev.as_deref()), (Family::Arp, Some("lan.5")));
        assert_eq!(name.what, NeighWhat::Var(Var::Locktime));
        let name = find("ipv6.neigh.default.gc_thresh3").unwrap();
        assert_eq!((name.family, name.dev, name.what), (Family::Ndisc, None, NeighWhat::Thresh(3)));
        for bad in ["ipv4.neigh.lan.gc_thresh1", "ipv4.neigh.lan.nothing", "ipv4.conf.lan.locktime"]
        {
            assert_eq!(find(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_set_is_read_back_and_nothing_else_changes() {
        for (word, what) in all() {
            let mut tables = Neighbours::<()>::new(1024, 1);
            tables.add_device(1, None);
            let name = NeighName { family: Family::Arp, dev: None, what };
            name.apply(&mut tables, None, 7);
            assert_eq!(name.value(&tables, None), 7, "{word}");
            assert_eq!(name.value(&tables, Some(1)), 7, "{word}");
            let six = NeighName { family: Family::Ndisc, ..name };
            assert_ne!(six.value(&tables, None), 7, "{word}");
        }
    }
}

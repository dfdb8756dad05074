//! Which of the router's addresses a packet of its own comes from, and the table of labels.
//!
//! - obeys: RFC 6724 sections 2.1, 5 and 10.3, rule by rule in the kernel's order; `ip addrlabel`

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

/// How far an address reaches.
pub fn scope(address: Ipv6Addr) -> u8 {
    match address.segments()[0] {
        _ if address.is_multicast() => address.octets()[1] & 0xf,
        _ if address.is_loopback() => 2,
        0xfe80..=0xfebf => 2,
        0xfec0..=0xfeff => 5,
        _ => 14,
    }
}

/// The table of labels: the longest prefix that covers an address gives its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Vec<(Ipv6Net, Option<u16>, u32)>);

/// No prefix covers the address.
pub const NO_LABEL: u32 = u32::MAX;

impl Default for Labels {
    /// RFC 6724 section 2.1, with the kernel's labels for ORCHID, site-local addresses and the 6bone.
    fn default() -> Self {
        let rows: [([u16; 8], u8, u32); 10] = [
            ([0, 0, 0, 0, 0, 0, 0, 1], 128, 0),
            ([0, 0, 0, 0, 0, 0, 0, 0], 96, 3),
            ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, 4),
            ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, 6),
            ([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, 7),
            ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, 12),
            ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, 2),
            ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, 11),
            ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, 5),
            ([0, 0, 0, 0, 0, 0, 0, 0], 0, 1),
        ];
        let net = |(segments, len, label): ([u16; 8], u8, u32)| {
            (Ipv6Net::new_assert(Ipv6Addr::from(segments), len), None, label)
        };
        let mut labels = Self(rows.into_iter().map(net).collect());
        labels.0.sort_by_key(|(net, ..)| std::cmp::Reverse(net.prefix_len()));
        labels
    }
}

impl Labels {
    /// The label of an address on an interface.
    pub fn of(&self, address: Ipv6Addr, iface: u16) -> u32 {
        let covers = |(net, dev, _): &&(Ipv6Net, Option<u16>, u32)| {
            net.contains(&address) && dev.is_none_or(|dev| dev == iface)
        };
        self.0.iter().find(covers).map_or(NO_LABEL, |(.., label)| *label)
    }

    /// All of them, longest prefix first.
    pub fn iter(&self) -> impl Iterator<Item = &(Ipv6Net, Option<u16>, u32)> {
        self.0.iter()
    }

    /// Sets a label; false where there is one and it may not be replaced.
    pub fn set(&mut self, net: Ipv6Net, iface: Option<u16>, label: u32, replace: bool) -> bool {
        if let Some(row) = self.0.iter_mut().find(|row| (row.0, row.1) == (net, iface)) {
            row.2 = label;
            return replace;
        }
        // Of one length those of an interface come first, the younger before the older ones.
        let before = |(other, dev, _): &(Ipv6Net, Option<u16>, u32)| {
            let (one, len) = (other.prefix_len(), net.prefix_len());
            one > len || one == len && dev.is_some()
        };
        let place = self.0.partition_point(before);
        self.0.insert(place, (net, iface, label));
        true
    }

    /// Takes a label away; false where there is none.
    pub fn remove(&mut self, net: Ipv6Net, iface: Option<u16>) -> bool {
        let before = self.0.len();
        self.0.retain(|row| (row.0, row.1) != (net, iface));
        self.0.len() < before
    }
}

/// An address that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The address.
    pub address: Ipv6Addr,
    /// Length of its prefix.
    pub len: u8,
    /// Its interface.
    pub iface: u16,
    /// Nobody has said yet that it is no duplicate.
    pub tentative: bool,
    /// It may be used all the same.
    pub optimistic: bool,
    /// Its interface uses optimistic addresses as others (`use_optimistic`).
    pub uses_optimistic: bool,
    /// It is no longer preferred.
    pub deprecated: bool,
    /// It is a temporary one.
    pub temporary: bool,
    /// It is a home address (RFC 6275).
    pub home: bool,
    /// Its interface prefers temporary addresses (`use_tempaddr` 2).
    pub prefers_temporary: bool,
}

/// What the address is for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Destination.
    pub dst: Ipv6Addr,
    /// Interface by which the packet leaves.
    pub iface: u16,
}

/// Bits that two addresses have in common at their beginning.
fn common(a: Ipv6Addr, b: Ipv6Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros()
}

/// Identifiers that look like addresses (RFC 4843).
fn is_orchid(address: Ipv6Addr) -> bool {
    address.to_bits() >> 100 == 0x200_1001
}

/// What the rules say of a candidate: the greater, the better, the first rule first.
type Score = [i64; 10];

fn score(candidate: &Candidate, wanted: Wanted, labels: &Labels) -> Score {
    let own = candidate.address;
    let (reach, far) = (i64::from(scope(own)), i64::from(scope(wanted.dst)));
    // Rule 2: the narrowest that reaches far enough, or else the widest.
    let scoped = if reach >= far { -reach } else { reach - 128 };
    let length = common(own, wanted.dst).min(candidate.len.into());
    [
        (own == wanted.dst).into(),
        scoped,
        (!(candidate.deprecated || candidate.optimistic && !candidate.uses_optimistic)).into(),
        candidate.home.into(),
        (candidate.iface == wanted.iface).into(),
        (labels.of(own, candidate.iface) == labels.of(wanted.dst, wanted.iface)).into(),
        (candidate.temporary == candidate.prefers_temporary).into(),
        (is_orchid(own) == is_orchid(wanted.dst)).into(),
        length.into(),
        (!candidate.optimistic).into(),
    ]
}

/// The address that a packet comes from, of the candidates in their order; the first of equals.
pub fn source(
    candidates: impl IntoIterator<Item = Candidate>,
    wanted: Wanted,
    labels: &Labels,
) -> Option<Ipv6Addr> {
    // A destination of the link is left from an address of the link's interface alone.
    let local = wanted.dst.is_multicast() || scope(wanted.dst) <= 2;
    let mut best: Option<(Score, Ipv6Addr)> = None;
    for candidate in candidates {
        let usable = !candidate.tentative || candidate.optimistic;
        let here = candidate.iface == wanted.iface || !local;
        let unicast = !candidate.address.is_multicast() && !candidate.address.is_unspecified();
        if !usable || !here || !unicast {
            continue;
        }
        let score = score(&candidate, wanted, labels);
        if best.is_none_or(|(before, _)| score > before) {
            best = Some((score, candidate.address));
        }
    }
    best.map(|(_, address)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Candidate {
        Candidate {
            address: text.parse().unwrap(),
            len: 64,
            iface: 1,
            tentative: false,
            optimistic: false,
            uses_optimistic: false,
            deprecated: false,
            temporary: false,
            home: false,
            prefers_temporary: false,
        }
    }

    fn choose(candidates: &[Candidate], dst: &str) -> String {
        let wanted = Wanted { dst: dst.parse().unwrap(), iface: 1 };
        let found = source(candidates.iter().copied(), wanted, &Labels::default());
        found.map_or("none".to_owned(), |found| found.to_string())
    }

    /// The examples of RFC 6724 section 10.1.
    #[test]
    fn examples_of_the_rfc() {
        let all = |texts: &[&str]| texts.iter().map(|text| plain(text)).collect::<Vec<_>>();
        for (dst, own, want) in [
            ("2001:db8:1::1", &["2001:db8:3::1", "fe80::1"][..], "2001:db8:3::1"),
            ("ff05::1", &["2001:db8:3::1", "fe80::1"], "2001:db8:3::1"),
            ("2001:db8:1::1", &["2001:db8:1::1", "2001:db8:2::1"], "2001:db8:1::1"),
            ("fe80::1", &["fe80::2", "2001:db8:1::1"], "fe80::2"),
            ("2001:db8:1::1", &["2001:db8:1::2", "2001:db8:3::2"], "2001:db8:1::2"),
            (
                "2002:c633:6401::1",
                &["2002:c633:6401::d5e3:7953:13eb:22e8", "2001:db8:1::2"],
                "2002:c633:6401:0:d5e3:7953:13eb:22e8",
            ),
        ] {
            assert_eq!(choose(&all(own), dst), want, "{dst}");
        }
    }

    #[test]
    fn rules_come_in_their_order() {
        let (good, other) = (plain("2001:db8:1::1"), plain("2001:db8:2::1"));
        let dst = "2001:db8:1::9";
        let cases = [
            (Candidate { tentative: true, ..good }, "2001:db8:2::1"),
            (Candidate { tentative: true, optimistic: true, ..good }, "2001:db8:2::1"),
            (Candidate { deprecated: true, ..good }, "2001:db8:2::1"),
            (Candidate { iface: 2, ..good }, "2001:db8:2::1"),
            (Candidate { temporary: true, ..good }, "2001:db8:2::1"),
            (Candidate { temporary: true, prefers_temporary: true, ..good }, "2001:db8:1::1"),
            (good, "2001:db8:1::1"),
        ];
        for (candidate, want) in cases {
            assert_eq!(choose(&[candidate, other], dst), want, "{candidate:?}");
            assert_eq!(choose(&[other, candidate], dst), want, "{candidate:?}");
        }
        // An address of another interface serves for destinations that are not of the link.
        let elsewhere = Candidate { iface: 2, ..good };
        assert_eq!(choose(&[elsewhere], dst), "2001:db8:1::1");
        assert_eq!(choose(&[elsewhere], "ff02::1"), "none");
        // A prefix in common counts no longer than the address's own.
        let short = Candidate { len: 32, ..good };
        assert_eq!(choose(&[other, short], dst), "2001:db8:2::1");
    }

    #[test]
    fn labels_are_found_by_the_longest_prefix() {
        let mut labels = Labels::default();
        let label = |labels: &Labels, text: &str| labels.of(text.parse().unwrap(), 1);
        for (text, want) in [
            ("::1", 0),
            ("2001:db8::1", 1),
            ("2002::1", 2),
            ("::192.0.2.1", 3),
            ("::ffff:192.0.2.1", 4),
            ("fd00::1", 5),
            ("2001::1", 6),
            ("2001:10::1", 7),
            ("fec0::1", 11),
            ("3ffe::1", 12),
        ] {
            assert_eq!(label(&labels, text), want, "{text}");
        }
        let net = "2001:db8:5::/48".parse().unwrap();
        assert!(labels.set(net, Some(1), 99, false) && !labels.set(net, Some(1), 98, false));
        assert_eq!(label(&labels, "2001:db8:5::1"), 98);
        assert_eq!(labels.of("2001:db8:5::1".parse().unwrap(), 2), 1);
        assert!(labels.remove(net, Some(1)) && !labels.remove(net, Some(1)));
    }
}

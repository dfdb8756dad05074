//! The kinds of sets, and what a set is made with.
//!
//! - takes: nothing
//! - gives: [`Kind`], the [`Part`]s of its elements, and [`Spec`]
//! - obeys: `ipset(8)`, "SET TYPES"

/// One part of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An address.
    Ip,
    /// A prefix.
    Net,
    /// A protocol and its port; of ICMP a type and a code.
    Port,
    /// A port of TCP or UDP alike.
    PlainPort,
    /// An Ethernet address.
    Mac,
    /// An interface's name.
    Iface,
    /// A set's name.
    Set,
}

/// The type of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bitmap:ip`
    BitmapIp,
    /// `bitmap:ip,mac`
    BitmapIpMac,
    /// `bitmap:port`
    BitmapPort,
    /// `hash:ip`
    HashIp,
    /// `hash:mac`
    HashMac,
    /// `hash:ip,port`
    HashIpPort,
    /// `hash:ip,port,ip`
    HashIpPortIp,
    /// `hash:ip,port,net`
    HashIpPortNet,
    /// `hash:ip,mac`
    HashIpMac,
    /// `hash:net`
    HashNet,
    /// `hash:net,net`
    HashNetNet,
    /// `hash:net,port`
    HashNetPort,
    /// `hash:net,iface`
    HashNetIface,
    /// `list:set`
    List,
}

type Row = (Kind, &'static str, &'static str, u8, &'static [Part]);

/// Name, old name, revision and parts of each.
const KINDS: [Row; 14] = [
    (Kind::BitmapIp, "bitmap:ip", "ipmap", 3, &[Part::Ip]),
    (Kind::BitmapIpMac, "bitmap:ip,mac", "macipmap", 3, &[Part::Ip, Part::Mac]),
    (Kind::BitmapPort, "bitmap:port", "portmap", 3, &[Part::PlainPort]),
    (Kind::HashIp, "hash:ip", "iphash", 6, &[Part::Ip]),
    (Kind::HashMac, "hash:mac", "machash", 1, &[Part::Mac]),
    (Kind::HashIpPort, "hash:ip,port", "ipporthash", 7, &[Part::Ip, Part::Port]),
    (Kind::HashIpPortIp, "hash:ip,port,ip", "ipportiphash", 6, &[Part::Ip, Part::Port, Part::Ip]),
    (
        Kind::HashIpPortNet,
        "hash:ip,port,net",
        "ipportnethash",
        8,
        &[Part::Ip, Part::Port, Part::Net],
    ),
    (Kind::HashIpMac, "hash:ip,mac", "ipmachash", 1, &[Part::Ip, Part::Mac]),
    (Kind::HashNet, "hash:net", "nethash", 7, &[Part::Net]),
    (Kind::HashNetNet, "hash:net,net", "netnethash", 4, &[Part::Net, Part::Net]),
    (Kind::HashNetPort, "hash:net,port", "netporthash", 8, &[Part::Net, Part::Port]),
    (Kind::HashNetIface, "hash:net,iface", "netifacehash", 8, &[Part::Net, Part::Iface]),
    (Kind::List, "list:set", "setlist", 3, &[Part::Set]),
];

impl Kind {
    fn row(self) -> &'static Row {
        &KINDS[self as usize]
    }

    /// The kind of a name.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.1 == word || row.2 == word).map(|row| row.0)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its newest revision.
    #[must_use]
    pub fn revision(self) -> u8 {
        self.row().3
    }

    /// The parts of its elements.
    #[must_use]
    pub fn parts(self) -> &'static [Part] {
        self.row().4
    }

    /// Whether its elements lie in a range.
    #[must_use]
    pub fn is_bitmap(self) -> bool {
        matches!(self, Self::BitmapIp | Self::BitmapIpMac | Self::BitmapPort)
    }

    /// Whether elements hold prefixes, so that some can be exempt.
    #[must_use]
    pub fn has_nets(self) -> bool {
        self.parts().contains(&Part::Net)
    }

    /// Whether its sets are of one family.
    #[must_use]
    pub fn has_family(self) -> bool {
        !self.is_bitmap() && !matches!(self, Self::HashMac | Self::List)
    }

    /// Whether addresses can be cut to a prefix when they are put in.
    #[must_use]
    pub fn has_netmask(self) -> bool {
        matches!(self, Self::BitmapIp | Self::HashIp | Self::HashIpPort)
    }
}

/// What a set is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its type.
    pub kind: Kind,
    /// `family inet6`
    pub six: bool,
    /// `hashsize`
    pub hashsize: u32,
    /// `maxelem`
    pub maxelem: u32,
    /// `bucketsize`
    pub bucketsize: u8,
    /// `initval`
    pub initval: u32,
    /// `timeout`, which elements have that say none.
    pub timeout: Option<u32>,
    /// `counters`
    pub counters: bool,
    /// `comment`
    pub comment: bool,
    /// `skbinfo`
    pub skbinfo: bool,
    /// `forceadd`
    pub forceadd: bool,
    /// `netmask`
    pub netmask: Option<u8>,
    /// `range`: addresses or ports.
    pub range: (u32, u32),
    /// `size` of a list.
    pub size: u32,
}

impl Spec {
    /// A set of this kind with nothing said of it.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            six: false,
            hashsize: 1024,
            maxelem: 65536,
            bucketsize: 12,
            initval: 0,
            timeout: None,
            counters: false,
            comment: false,
            skbinfo: false,
            forceadd: false,
            netmask: None,
            range: (0, 0),
            size: 8,
        }
    }

    /// The length of a prefix that is one address.
    #[must_use]
    pub fn host(&self) -> u8 {
        if self.six { 128 } else { 32 }
    }

    /// An address without the bits behind a prefix.
    #[must_use]
    pub fn cut(&self, address: u128, len: u8) -> u128 {
        let behind = self.host().saturating_sub(len);
        if behind >= 128 { 0 } else { address >> behind << behind }
    }

    /// Whether a set made so may stand for one made otherwise.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let what = |spec: &Self| {
            (spec.kind, spec.six, spec.maxelem, spec.timeout, spec.netmask, spec.range, spec.size)
        };
        let extensions = |spec: &Self| (spec.counters, spec.comment, spec.skbinfo);
        what(self) == what(other) && extensions(self) == extensions(other)
    }
}

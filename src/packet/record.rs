//! What IGMPv3 and MLDv2 share: records of group memberships, queries, and times as floating point.
//!
//! - obeys: RFC 3376 sections 4.1 and 4.2, RFC 3810 sections 5.1 and 5.2; rows [6.22], [8.146] to
//!   [8.148]

/// What a record says of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// The sources that are wanted.
    IsInclude,
    /// All sources but these are wanted.
    IsExclude,
    /// From now on these sources alone are wanted.
    ToInclude,
    /// From now on all sources but these are wanted.
    ToExclude,
    /// These sources are wanted too.
    Allow,
    /// These sources are not wanted any more.
    Block,
}

impl RecordKind {
    /// The number of the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::IsInclude => 1,
            Self::IsExclude => 2,
            Self::ToInclude => 3,
            Self::ToExclude => 4,
            Self::Allow => 5,
            Self::Block => 6,
        }
    }

    /// Of the number of the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::IsInclude),
            2 => Some(Self::IsExclude),
            3 => Some(Self::ToInclude),
            4 => Some(Self::ToExclude),
            5 => Some(Self::Allow),
            6 => Some(Self::Block),
            _ => None,
        }
    }
}

/// A record of a report; `A` is an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<A> {
    /// What it says.
    pub kind: RecordKind,
    /// The group.
    pub group: A,
    /// Sources.
    pub sources: Vec<A>,
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<A> {
    /// Who asks.
    pub src: A,
    /// The group, unspecified for all of them.
    pub group: A,
    /// Longest delay of an answer, as the wire has it.
    pub code: u16,
    /// What only IGMPv3 and MLDv2 ask.
    pub newer: Option<Newer<A>>,
}

/// The part of a query that IGMPv3 and MLDv2 added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer<A> {
    /// Other routers shall not start their timers.
    pub suppress: bool,
    /// The querier's robustness.
    pub robustness: u8,
    /// The querier's interval, as the wire has it.
    pub interval: u8,
    /// Sources that are asked for.
    pub sources: Vec<A>,
}

/// An address as records have it.
pub trait Address: Copy {
    /// Bytes of an address.
    const LEN: usize;

    /// Of as many bytes.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// Writes the bytes.
    fn write(self, out: &mut Vec<u8>);
}

impl Address for std::net::Ipv4Addr {
    const LEN: usize = 4;

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from(<[u8; 4]>::try_from(bytes).ok()?))
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
}

impl Address for std::net::Ipv6Addr {
    const LEN: usize = 16;

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from(<[u8; 16]>::try_from(bytes).ok()?))
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
}

impl<A: Address> Record<A> {
    /// Bytes of a record with so many sources.
    pub const fn size(sources: usize) -> usize {
        4 + A::LEN * (1 + sources)
    }

    /// The records of a report, as many as it says; nothing where it ends before.
    pub fn read_all(count: u16, mut bytes: &[u8]) -> Option<Vec<Self>> {
        let mut records = Vec::new();
        for _ in 0..count {
            let (head, rest) = bytes.split_first_chunk::<4>()?;
            let (group, rest) = rest.split_at_checked(A::LEN)?;
            let count = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let (sources, rest) = rest.split_at_checked(count * A::LEN)?;
            // Auxiliary data is counted in words, and means nothing yet.
            bytes = rest.get(usize::from(head[1]) * 4..)?;
            // A record of an unknown kind is passed over (RFC 3810 section 5.2.12).
            if let Some(kind) = RecordKind::from_number(head[0]) {
                let sources = addresses(sources)?;
                records.push(Self { kind, group: A::read(group)?, sources });
            }
        }
        Some(records)
    }

    /// Writes the record.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.number(), 0]);
        out.extend_from_slice(&(self.sources.len() as u16).to_be_bytes());
        self.group.write(out);
        for source in &self.sources {
            source.write(out);
        }
    }
}

/// Addresses that stand one after the other.
fn addresses<A: Address>(bytes: &[u8]) -> Option<Vec<A>> {
    bytes.chunks_exact(A::LEN).map(A::read).collect()
}

impl<A: Address> Newer<A> {
    /// Of the bytes behind the group; nothing where they are fewer than they say.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let count = usize::from(u16::from_be_bytes([head[2], head[3]]));
        Some(Self {
            suppress: head[0] & 8 != 0,
            robustness: head[0] & 7,
            interval: head[1],
            sources: addresses(rest.get(..count * A::LEN)?)?,
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let suppress = if self.suppress { 8 } else { 0 };
        out.extend_from_slice(&[suppress | self.robustness & 7, self.interval]);
        out.extend_from_slice(&(self.sources.len() as u16).to_be_bytes());
        for source in &self.sources {
            source.write(out);
        }
    }
}

/// An 8-bit code (Max Resp Code of IGMPv3, QQIC): from 128 on a floating point number.
pub const fn from_code8(code: u8) -> u32 {
    match code {
        0..128 => code as u32,
        _ => ((code & 0xf) as u32 | 0x10) << ((code >> 4 & 7) as u32 + 3),
    }
}

/// A 16-bit code (Maximum Response Code of MLDv2): from 32768 on a floating point number.
pub const fn from_code16(code: u16) -> u32 {
    match code {
        0..0x8000 => code as u32,
        _ => ((code & 0xfff) as u32 | 0x1000) << ((code >> 12 & 7) as u32 + 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_the_rfcs_say() {
        // RFC 3376 section 4.1.1 and RFC 3810 section 5.1.3.
        for (code, value) in [(0, 0), (127, 127), (0x80, 128), (0x8f, 248), (0xff, 31 << 10)] {
            assert_eq!(from_code8(code), value);
        }
        for (code, value) in [(0, 0), (0x7fff, 32767), (0x8000, 32768), (0xffff, 0x1fff << 10)] {
            assert_eq!(from_code16(code), value);
        }
    }
}

//! What is known of an IPv6 packet beside its bytes, and how fragments are put together.

use crate::{
    dpdk::mbuf::{Flags, Packet},
    graph::Nanos,
    icmp6::table::Rules,
    packet::ipv6::{HEADER_LEN, field, option::Limits},
};

/// How far the headers of a packet have been dealt with, kept as
/// [`Packet::options`](crate::dpdk::mbuf::Packet::options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Where the next header to deal with stands, from the IPv6 header.
    pub at: u16,
    /// Where the byte stands that names it.
    pub named_at: u16,
    /// Value of a router alert.
    pub alert: Option<u16>,
    /// It has come by way of others: no better way is told to its sender.
    pub source_routed: bool,
    /// It was put together from fragments, or said to be the only one.
    pub fragmented: bool,
}

impl Default for Parsed {
    /// Nothing but the IPv6 header has been looked at.
    fn default() -> Self {
        Self {
            at: HEADER_LEN as u16,
            named_at: field::NEXT_HEADER as u16,
            alert: None,
            source_routed: false,
            fragmented: false,
        }
    }
}

const ALERT: u64 = 1 << 16;
const SOURCE_ROUTED: u64 = 1 << 17;
const FRAGMENTED: u64 = 1 << 18;

impl Parsed {
    /// What is known of a packet.
    pub fn of(packet: &Packet) -> Self {
        match packet.flags().any(Flags::OPTIONS) {
            true => Self::from_bits(packet.options()),
            false => Self::default(),
        }
    }

    /// Notes it on a packet; a packet of which there is nothing to note stays as it is.
    pub fn note(self, packet: &mut Packet) {
        if self != Self::of(packet) {
            packet.set_options(self.to_bits());
        }
    }

    /// As a word.
    pub const fn to_bits(self) -> u64 {
        let alert = match self.alert {
            Some(value) => value as u64 | ALERT,
            None => 0,
        };
        let routed = if self.source_routed { SOURCE_ROUTED } else { 0 };
        let fragmented = if self.fragmented { FRAGMENTED } else { 0 };
        alert | routed | fragmented | (self.named_at as u64) << 32 | (self.at as u64) << 48
    }

    /// Of a word.
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            at: (bits >> 48) as u16,
            named_at: (bits >> 32) as u16,
            alert: if bits & ALERT != 0 { Some(bits as u16) } else { None },
            source_routed: bits & SOURCE_ROUTED != 0,
            fragmented: bits & FRAGMENTED != 0,
        }
    }

    /// One header of `len` bytes further.
    #[must_use]
    pub const fn past(self, len: usize) -> Self {
        Self { at: self.at.saturating_add(len as u16), named_at: self.at, ..self }
    }
}

/// Tunables of reassembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReassemblyRules {
    /// `net.ipv6.ip6frag_time`.
    pub time: Nanos,
    /// `net.ipv6.ip6frag_high_thresh`: with more bytes than that waiting nothing more is taken.
    pub high_thresh: usize,
}

impl Default for ReassemblyRules {
    fn default() -> Self {
        Self { time: 60_000_000_000, high_thresh: 4 << 20 }
    }
}

/// Tunables that the nodes of IPv6 read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunables6 {
    /// `net.ipv6.max_hbh_opts_number` and `max_hbh_length`.
    pub hop_by_hop: Limits,
    /// `net.ipv6.max_dst_opts_number` and `max_dst_opts_length`.
    pub destination: Limits,
    /// How fragments are put together.
    pub reassembly: ReassemblyRules,
    /// ICMPv6.
    pub icmp: Rules,
    /// `net.ipv6.auto_flowlabels`: 1 and above for labels of the router's own packets.
    pub auto_flowlabels: u8,
    /// `net.ipv6.flowlabel_reflect`: 2 for TCP resets, 4 for echo replies.
    pub flowlabel_reflect: u8,
    /// `net.ipv6.fwmark_reflect`.
    pub fwmark_reflect: bool,
    /// `net.ipv6.flowlabel_state_ranges`: such labels have their highest bit set.
    pub flowlabel_state_ranges: bool,
}

impl Default for Tunables6 {
    fn default() -> Self {
        Self {
            hop_by_hop: Limits::default(),
            destination: Limits::default(),
            reassembly: ReassemblyRules::default(),
            icmp: Rules::default(),
            auto_flowlabels: 1,
            flowlabel_reflect: 0,
            fwmark_reflect: false,
            flowlabel_state_ranges: false,
        }
    }
}

impl Tunables6 {
    /// Flow label of a packet of the router's own: `stated`, or one that comes of its flow.
    pub fn flow_label(&self, stated: u32, flow_hash: u32) -> u32 {
        if stated != 0 || !matches!(self.auto_flowlabels, 1 | 3) {
            return stated;
        }
        let range = if self.flowlabel_state_ranges { 0x8_0000 } else { 0 };
        flow_hash.rotate_left(16) & 0xf_ffff | range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_fits_a_word() {
        bolero::check!().with_type::<(u16, u16, Option<u16>, bool, bool)>().for_each(
            |&(at, named_at, alert, source_routed, fragmented)| {
                let parsed = Parsed { at, named_at, alert, source_routed, fragmented };
                assert_eq!(Parsed::from_bits(parsed.to_bits()), parsed);
            },
        );
        let past = Parsed::default().past(16).past(8);
        assert_eq!((past.at, past.named_at), (64, 56));
    }
}

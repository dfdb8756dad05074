//! The fields of a packet that routing looks at (`struct flowi4`, `struct flowi6`).

use super::{Bits, flow6::Fields6};

/// What rules may look at. Zero where a packet has no such thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow<B = u32> {
    /// Source.
    pub src: B,
    /// Destination.
    pub dst: B,
    /// Mark.
    pub mark: u32,
    /// Interface by which it came; 0 for the router's own.
    pub iif: u16,
    /// Interface by which it has to leave.
    pub oif: u16,
    /// VRF that it belongs to; 0 for none.
    pub vrf: u16,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Protocol.
    pub protocol: u8,
}

impl Flow {
    /// Protocols whose first four bytes count as ports, as with the kernel's dissector.
    pub const WITH_PORTS: [u8; 6] = [6, 17, 33, 50, 132, 136];

    /// Of a packet that came by `iif`, in `vrf`; `l3` starts at its IPv4 header. Fragments have no
    /// ports, as with the kernel's dissector.
    #[inline]
    pub fn of(l3: &[u8], iif: u16, vrf: u16) -> Self {
        let Some(head) = l3.first_chunk::<20>() else { return Self::default() };
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let has_ports = Self::WITH_PORTS.contains(&head[9])
            && u16::from_be_bytes([head[6], head[7]]) & 0x3fff == 0;
        let at = usize::from(head[0] & 0x0f) * 4;
        let ports = match l3.get(at..at + 4) {
            Some(&[a, b, c, d]) if has_ports => {
                [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
            }
            _ => [0; 2],
        };
        Self {
            src: word(12),
            dst: word(16),
            mark: 0,
            iif,
            oif: 0,
            vrf,
            sport: ports[0],
            dport: ports[1],
            tos: head[1],
            protocol: head[9],
        }
    }
}

impl Flow<u128> {
    /// Of an IPv6 packet that came by `iif`, in `vrf`; `l3` starts at its header.
    #[inline]
    pub fn of_six(l3: &[u8], iif: u16, vrf: u16) -> Self {
        let fields = Fields6::of(l3);
        Self {
            src: fields.src,
            dst: fields.dst,
            mark: 0,
            iif,
            oif: 0,
            vrf,
            sport: fields.sport,
            dport: fields.dport,
            tos: fields.traffic_class,
            protocol: fields.protocol,
        }
    }
}

impl<B: Bits> Flow<B> {
    /// Of a packet of the router's own to `dst`, in `vrf`.
    pub fn out(dst: B, vrf: u16) -> Self {
        Self { dst, vrf, oif: vrf, ..Self::default() }
    }
}

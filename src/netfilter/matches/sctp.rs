//! `sctp`: ports, and the chunks that a packet carries.
//!
//! - takes: a packet of SCTP
//! - gives: [`Found`]
//! - obeys: xt_sctp of the kernel

use super::{Found, ports::within};
use crate::netfilter::rule::{self, Chunk, ChunkRule, Sctp};
use crate::netfilter::view::View;

/// Chunks that are asked for, by type.
#[derive(Clone, Debug)]
pub(in crate::netfilter) struct Ask {
    ports: Sctp,
    chunks: Option<Chunks>,
}

#[derive(Clone, Debug)]
struct Chunks {
    not: bool,
    rule: ChunkRule,
    listed: Vec<Chunk>,
    types: [u64; 4],
}

impl Ask {
    /// From what the rule says.
    pub(super) fn new(ask: &rule::Sctp) -> Self {
        let chunks = ask.chunks.as_ref().map(|is| {
            let mut types = [0; 4];
            for chunk in &is.value.chunks {
                types[usize::from(chunk.kind) / 64] |= 1 << (chunk.kind % 64);
            }
            Chunks { not: is.not, rule: is.value.rule, listed: is.value.chunks.clone(), types }
        });
        Self { ports: Sctp { chunks: None, ..ask.clone() }, chunks }
    }

    /// What the ports must be.
    pub(in crate::netfilter) fn ports(&self) -> &Sctp {
        &self.ports
    }
}

impl Chunks {
    fn has(types: &[u64; 4], kind: u8) -> bool {
        types[usize::from(kind) / 64] >> (kind % 64) & 1 != 0
    }

    fn flags(&self, kind: u8, flags: u8) -> bool {
        let asked = self.listed.iter().find(|chunk| chunk.kind == kind);
        asked.and_then(|chunk| chunk.flags).is_none_or(|bits| flags & bits.mask == bits.value)
    }

    fn find(&self, mut rest: &[u8]) -> Option<bool> {
        let mut missing = self.types;
        loop {
            let &[kind, flags, high, low] = rest.first_chunk()?;
            let len = usize::from(u16::from_be_bytes([high, low]));
            if len == 0 {
                return None;
            }
            let listed = Self::has(&self.types, kind);
            let right = listed && self.flags(kind, flags);
            match self.rule {
                ChunkRule::Any if right => return Some(true),
                ChunkRule::All if right => missing[usize::from(kind) / 64] &= !(1 << (kind % 64)),
                ChunkRule::Only if !right => return Some(false),
                _ => {}
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
        Some(match self.rule {
            ChunkRule::Any => false,
            ChunkRule::All => missing == [0; 4],
            ChunkRule::Only => true,
        })
    }
}

/// `sctp`
pub(super) fn ask(view: &View<'_>, ask: &Ask) -> Found {
    if view.facts().fragment_offset != 0 {
        return Found::Miss;
    }
    let Some(&[a, b, c, d, ..]) = view.l4_head::<12>() else { return Found::HotDrop };
    if !within(&ask.ports.source, u16::from_be_bytes([a, b]))
        || !within(&ask.ports.destination, u16::from_be_bytes([c, d]))
    {
        return Found::Miss;
    }
    let Some(chunks) = &ask.chunks else { return Found::Hit };
    match chunks.find(&view.l4()[12..]) {
        Some(found) => Found::of(found != chunks.not),
        None => Found::HotDrop,
    }
}

//! Stories of packets.

mod flows;
mod icmp;
mod pressure;
mod properties;

pub(crate) use super::sample::{Bench, Packet, S, ip};
use super::*;

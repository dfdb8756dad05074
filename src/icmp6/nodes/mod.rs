//! Nodes of ICMPv6, and the reset that TCP answers with in its place.

mod error;
mod input;
mod redirect;
mod reply;
mod tcp_reset;

pub use error::Icmp6Error;
pub use input::Icmp6Input;
pub use tcp_reset::{Tcp6Refuse, Tcp6Reset};

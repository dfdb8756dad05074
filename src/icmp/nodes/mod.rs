//! Nodes of ICMP, and the reset that TCP answers with in its place.

mod error;
mod input;
mod reply;
mod tcp_reset;

pub use error::Icmp4Error;
pub use input::Icmp4Input;
pub use tcp_reset::TcpReset;

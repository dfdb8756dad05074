//! Nodes of ICMP, and the reset that TCP answers with in its place.

mod error;
mod input;
mod probe;
mod reply;
mod tcp_reset;
mod turn;

pub use error::Icmp4Error;
pub use input::Icmp4Input;
pub use tcp_reset::{TcpRefuse, TcpReset};

//! What must hold of any bytes that are read as a message of neighbour discovery.

use std::net::Ipv6Addr;

use super::{Items, Message, link_local};
use crate::packet::{MacAddr, envelope::seal};

/// Reads bytes as a packet, as a message and as options; what is read is written alike.
pub fn messages(bytes: &[u8]) {
    let _ = Message::parse(bytes);
    let Some((&first, rest)) = bytes.split_first() else { return };
    let (mac, all) = (MacAddr::new([2, 0, 0, 0, 0, 1]), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let message = [&[133 + first % 5, 0, 0, 0][..], rest].concat();
    let read = Message::parse(&seal(link_local(mac), all, 255, message));
    let again = match &read {
        Ok(Message::RouterSolicitation(it)) => it.to_bytes(),
        Ok(Message::RouterAdvertisement(it)) => it.to_bytes(),
        Ok(Message::Neighbour(it)) => it.to_bytes(),
        Ok(Message::Redirect(it)) => it.to_bytes(),
        Err(_) => Vec::new(),
    };
    if let Ok(read) = read {
        let _ = Message::parse(&again).map(|twice| same(&read, &twice));
    }
    if let Some(items) = Items::parse(rest) {
        let mut written = Vec::new();
        items.iter().for_each(|item| item.emit(&mut written));
        let twice = Items::parse(&written).expect("what is written reads back");
        let mut rewritten = Vec::new();
        twice.iter().for_each(|item| item.emit(&mut rewritten));
        assert_eq!(written, rewritten);
    }
}

/// What counts in a message is the same when it was written and read once more.
fn same(read: &Message, twice: &Message) {
    match (read, twice) {
        (Message::Neighbour(read), Message::Neighbour(twice)) => assert_eq!(read, twice),
        (Message::RouterSolicitation(read), Message::RouterSolicitation(twice)) => {
            assert_eq!(read, twice);
        }
        (Message::RouterAdvertisement(read), Message::RouterAdvertisement(twice)) => {
            assert_eq!((read.lifetime, read.items.mtu()), (twice.lifetime, twice.items.mtu()));
            assert!(read.items.prefixes().eq(twice.items.prefixes()));
            assert!(read.items.routes().eq(twice.items.routes()));
        }
        (Message::Redirect(read), Message::Redirect(twice)) => {
            assert_eq!((read.target, read.destination), (twice.target, twice.destination));
        }
        _ => panic!("another message"),
    }
}

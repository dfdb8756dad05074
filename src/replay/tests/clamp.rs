//! Segment sizes of TCP connections in transit.

use super::{fragments::Lab, *};
use crate::packet::tcp::{TcpView, flag};

/// A SYN from lan that announces 1460 bytes; the trunk carries 1400 byte packets.
fn syn(dst: [u8; 4]) -> Vec<u8> {
    let mss = [2, 4, 0x05, 0xb4];
    let (src, dst) = ([10, 0, 0, 7].into(), dst.into());
    let mut frame =
        FrameBuilder::new().ipv4(src, dst).tcp(1000, 80, flag::SYN).payload(&mss).build();
    // What the builder takes for payload is an option.
    frame[46] = 6 << 4;
    frame[50..52].fill(0);
    let sum = checksum::transport(src, dst, 6, &frame[34..58]);
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// What the SYN announces where it leaves; its checksum must hold.
fn announced(machine: &Machine, words: &str, dst: [u8; 4]) -> u16 {
    let mut lab = Lab::new(machine, 1, words);
    lab.give(&syn(dst));
    let sent = lab.take();
    let [(_, _, frame)] = &sent[..] else { panic!("{} frames", sent.len()) };
    let peeled = vlan::peel(frame).unwrap();
    let ip = Ipv4View::new_checked(peeled.payload).unwrap();
    let tcp = TcpView::new_checked(ip.payload()).unwrap();
    assert!(tcp.checksum_holds(ip.src(), ip.dst()));
    lab.finish();
    tcp.mss().unwrap()
}

#[test]
fn connections_in_transit_agree_on_what_their_way_carries_where_that_is_wanted() {
    let machine = machine_for(&world());
    let route =
        "[[route]]\nto = \"198.19.0.0/16\"\nvia = \"10.0.1.2\"\nmetrics = { advmss = 1300 }\n";
    let on = format!("{route}[tcp]\nclamp-mss = true\n");
    let (wide, narrow, stated) = ([198, 51, 100, 9], [203, 0, 113, 9], [198, 19, 0, 9]);
    for (dst, wanted) in [(wide, 1460), (narrow, 1360), (stated, 1300)] {
        assert_eq!(announced(&machine, &on, dst), wanted, "{dst:?}");
        assert_eq!(announced(&machine, route, dst), 1460, "{dst:?}, and it is off");
    }
}

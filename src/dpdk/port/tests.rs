//! Ports on every kind of virtual device, each test in a process and a network namespace of its
//! own (`cargo nextest`), since DPDK starts once a process.

use std::{process::Command, time::Duration};

use super::*;
use crate::dpdk::{
    eal::{Eal, EalOptions, Huge},
    mbuf::{Burst, Packet},
    mempool::Pool,
};

/// An EtherType that no kernel speaks by itself.
const OURS: [u8; 2] = [0x88, 0xb5];

fn eal() -> (Eal, Pool) {
    let eal = Eal::start(&EalOptions {
        huge: Huge::Never,
        in_memory: true,
        memory_mib: Some(192),
        ..EalOptions::default()
    })
    .unwrap();
    let pool = Pool::new("test", 16_383, 256, 2176, -1).unwrap();
    (eal, pool)
}

/// Moves this test into an empty network namespace, which ends with its process.
fn own_network() {
    // SAFETY: only this thread's network changes, and the test uses no other thread's sockets.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
        .expect("tests with kernel interfaces run as root");
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(status.success(), "ip {words}");
}

/// A cable between the interfaces `left` and `right`.
fn cable() {
    own_network();
    ip("link add name left type veth peer name right");
    ip("link set right up");
}

fn open(text: &str, number: usize, pool: &Pool) -> (Port, Vec<RxQueue>, Vec<TxQueue>) {
    Port::open(text, number, &PortConfig::default(), pool).unwrap()
}

fn frame(number: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![number; len];
    bytes[..6].fill(0xff);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    bytes[12..14].copy_from_slice(&OURS);
    bytes
}

fn packet(pool: &Pool, bytes: &[u8]) -> Packet {
    let mut packet = pool.alloc().unwrap();
    assert!(packet.fill(bytes));
    packet
}

fn send(tx: &mut TxQueue, pool: &Pool, frames: &[Vec<u8>]) {
    let mut burst = Burst::new();
    burst.extend(frames.iter().map(|bytes| packet(pool, bytes)));
    while !burst.is_empty() {
        tx.send(&mut burst);
    }
}

/// Frames that arrive until `count` of those wanted have, or nothing more comes.
fn receive(rx: &mut [RxQueue], count: usize, wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let (mut frames, mut quiet) = (Vec::new(), 0);
    while frames.len() < count && quiet < 1000 {
        let mut burst = Burst::new();
        for queue in &mut *rx {
            queue.recv(&mut burst, 32);
        }
        if burst.is_empty() {
            quiet += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        let bytes = burst.drain(..).map(|packet| packet.data().to_vec());
        frames.extend(bytes.filter(|bytes| wanted(bytes)));
    }
    frames
}

fn is_ours(bytes: &[u8]) -> bool {
    bytes[12..14] == OURS
}

/// Frames sent on one end of a cable come out of the other, in both directions, in order.
fn talk(a: &str, b: &str) {
    cable();
    let (_eal, pool) = eal();
    {
        let (one, mut rx_one, mut tx_one) = open(a, 0, &pool);
        let (_two, mut rx_two, mut tx_two) = open(b, 1, &pool);
        let frames: Vec<_> = (1..=100).map(|n| frame(n, 60 + 14 * usize::from(n))).collect();
        send(&mut tx_one[0], &pool, &frames);
        assert_eq!(receive(&mut rx_two, 100, is_ours), frames);
        send(&mut tx_two[0], &pool, &frames);
        assert_eq!(receive(&mut rx_one, 100, is_ours), frames);
        let stats = one.stats();
        assert!(stats.rx_packets >= 100 && stats.tx_packets >= 100, "{stats:?}");
        assert_eq!(one.info().interface.as_deref(), Some("left"));
    }
}

#[test]
fn af_packet_ports_talk_over_a_cable() {
    talk("af_packet:left", "af_packet:right");
}

#[test]
fn af_xdp_ports_talk_over_a_cable() {
    talk("af_xdp:left", "af_xdp:right");
}

#[test]
fn an_af_xdp_port_talks_to_an_af_packet_port() {
    talk("af_xdp:left", "af_packet:right");
}

#[test]
fn several_workers_on_af_packet_lose_no_packet() {
    cable();
    let (_eal, pool) = eal();
    let config = PortConfig { tx_queues: 3, ..PortConfig::default() };
    let (one, mut rx, tx) = Port::open("af_packet:left", 0, &config, &pool).unwrap();
    assert_eq!((rx.len(), tx.len()), (3, 3), "{:?}", one.info());
    let (_two, _, mut tx) = open("af_packet:right", 1, &pool);
    let frames: Vec<_> = (0..200).map(|n| frame(n, 100)).collect();
    send(&mut tx[0], &pool, &frames);
    let mut got = receive(&mut rx, 200, is_ours);
    got.sort();
    assert_eq!(got, frames);
}

#[test]
fn several_workers_on_af_xdp_share_the_queues_there_are() {
    cable();
    let (_eal, pool) = eal();
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..PortConfig::default() };
    let (port, rx, tx) = Port::open("af_xdp:left", 0, &config, &pool).unwrap();
    assert_eq!((rx.len(), tx.len()), (1, 1), "{:?}", port.info());
}

#[test]
fn a_vlan_tag_survives_af_packet() {
    cable();
    let (_eal, pool) = eal();
    let (_one, mut rx, _) = open("af_packet:left", 0, &pool);
    let (_two, _, mut tx) = open("af_packet:right", 1, &pool);
    let mut tagged = frame(7, 100);
    tagged.splice(12..12, [0x81, 0x00, 0x20, 0x64]);
    send(&mut tx[0], &pool, std::slice::from_ref(&tagged));
    let is_tagged = |bytes: &[u8]| bytes[12..14] == [0x81, 0];
    assert_eq!(receive(&mut rx, 1, is_tagged), [tagged]);
}

#[test]
fn an_af_packet_port_does_not_see_what_the_host_sends() {
    cable();
    let (_eal, pool) = eal();
    let (near, mut rx_near, _) = open("af_packet:left", 0, &pool);
    let (_far, mut rx_far, _) = open("af_packet:right", 1, &pool);
    ip("address add 192.0.2.1/24 dev left");
    // Nobody answers; what counts is that the host asks.
    let asked = Command::new("ping").args(["-c1", "-W1", "192.0.2.2"]).output();
    assert!(!asked.unwrap().status.success());
    let is_from_host = |bytes: &[u8]| bytes[6..12] == near.info().mac.octets();
    assert!(!receive(&mut rx_far, 1, is_from_host).is_empty());
    assert!(receive(&mut rx_near, 1, is_from_host).is_empty());
}

#[test]
fn link_of_a_port_on_a_kernel_interface_follows_the_cable() {
    for text in ["af_packet:left", "af_xdp:left"] {
        cable();
        let (eal, pool) = eal_once();
        let (port, rx, tx) = open(text, 0, &pool);
        let link = port.link();
        assert!(link.up && link.full_duplex, "{link:?}");
        assert_eq!(link.speed, Some(10_000));
        ip("link set right down");
        assert!(!port.link().up);
        ip("link set right up");
        assert!(port.link().up);
        ip("link delete right");
        assert_eq!(port.link(), Link::default());
        drop((rx, tx, port));
        std::mem::forget(eal);
    }
}

/// For tests that open port after port: EAL stays up between them.
fn eal_once() -> (Option<Eal>, Pool) {
    static POOL: std::sync::OnceLock<Pool> = std::sync::OnceLock::new();
    let mut started = None;
    let pool = POOL.get_or_init(|| {
        let (eal, pool) = eal();
        started = Some(eal);
        pool
    });
    (started, *pool)
}

#[test]
fn a_port_puts_its_kernel_interface_back_as_it_was() {
    cable();
    let (_eal, pool) = eal();
    let config = PortConfig { mtu: 1400, ..PortConfig::default() };
    let shown = || {
        let out = Command::new("ip").args(["link", "show", "left"]).output().unwrap();
        let out = String::from_utf8(out.stdout).unwrap();
        (out.contains("mtu 1400"), out.contains(",UP"), out.contains("02:00:00:00:00:77"))
    };
    assert_eq!(shown(), (false, false, false));
    let mut opened = Port::open("af_packet:left", 0, &config, &pool).unwrap();
    assert_eq!(shown(), (true, true, false));
    opened.0.set_mac(MacAddr::new([2, 0, 0, 0, 0, 0x77])).unwrap();
    assert_eq!(shown(), (true, true, true));
    drop(opened);
    assert_eq!(shown(), (false, false, false));
}

#[test]
fn a_port_can_be_opened_again_after_it_was_closed() {
    cable();
    let (_eal, pool) = eal();
    for text in ["af_packet:left", "af_xdp:left", "tap:again0", "null", "ring"] {
        for _ in 0..3 {
            let (_port, rx, _tx) = open(text, 0, &pool);
            assert!(!rx.is_empty(), "{text}");
        }
    }
}

#[test]
fn jumbo_frames_cross_af_packet_when_buffers_hold_them() {
    cable();
    let (_eal, pool) = eal();
    let config = PortConfig { mtu: 9000, ..PortConfig::default() };
    let error = Port::open("af_packet:left", 0, &config, &pool).unwrap_err();
    assert!(matches!(error, PortError::BufferSize { .. }), "{error}");
    let jumbo = Pool::new("jumbo", 2047, 0, 9600, -1).unwrap();
    let (_one, mut rx, _) = Port::open("af_packet:left", 0, &config, &jumbo).unwrap();
    let (_two, _, mut tx) = Port::open("af_packet:right", 1, &config, &jumbo).unwrap();
    let frames = [frame(1, 9014), frame(2, 9000), frame(3, 60)];
    send(&mut tx[0], &jumbo, &frames);
    assert_eq!(receive(&mut rx, 3, is_ours), frames);
}

#[test]
fn af_xdp_says_which_buffers_and_mtu_it_can_have() {
    cable();
    let (_eal, pool) = eal();
    let config = |mtu| PortConfig { mtu, ..PortConfig::default() };
    let error = |mtu, pool: &Pool| Port::open("af_xdp:left", 0, &config(mtu), pool).unwrap_err();
    let small = Pool::new("small", 4095, 0, 1600, -1).unwrap();
    let large = Pool::new("large", 2047, 0, 4096, -1).unwrap();
    let few = Pool::new("few", 1023, 0, 2176, -1).unwrap();
    assert!(matches!(error(1500, &small), PortError::BufferSize { least: 1906, .. }));
    assert!(matches!(error(1500, &large), PortError::BufferSize { most: 3904, .. }));
    assert!(matches!(error(1500, &few), PortError::BufferCount { needed: 2048, free: 1023, .. }));
    assert!(matches!(error(9000, &pool), PortError::BufferSize { .. }));
    assert!(Port::open("af_xdp:left", 0, &config(1770), &pool).is_ok());
}

#[test]
fn the_longest_frame_of_an_af_xdp_port_fits_its_buffers() {
    cable();
    let (_eal, pool) = eal();
    let config = PortConfig { mtu: 1770, ..PortConfig::default() };
    let (_one, mut rx, _) = Port::open("af_xdp:left", 0, &config, &pool).unwrap();
    let (_two, _, mut tx) = Port::open("af_xdp:right", 1, &config, &pool).unwrap();
    let frames = [frame(1, 1784), frame(2, 1784 + 4)];
    send(&mut tx[0], &pool, &frames[..1]);
    assert_eq!(receive(&mut rx, 1, is_ours), frames[..1]);
}

#[test]
fn a_tap_port_is_an_interface_of_the_host() {
    own_network();
    let (_eal, pool) = eal();
    let config = PortConfig { rx_interrupts: true, tx_queues: 2, ..PortConfig::default() };
    let (port, mut rx, mut tx) =
        Port::open("tap:host0,mac=02:00:00:00:00:09", 0, &config, &pool).unwrap();
    assert_eq!((rx.len(), tx.len()), (2, 2));
    assert_eq!(port.info().mac.to_string(), "02:00:00:00:00:09");
    assert!(rx[0].interrupt_fd().is_some());
    ip("address add 192.0.2.1/24 dev host0");
    ip("link set host0 up");
    let asked = Command::new("ping").args(["-c1", "-W1", "192.0.2.2"]).output();
    assert!(!asked.unwrap().status.success());
    let is_arp = |bytes: &[u8]| bytes[12..14] == [8, 6];
    assert!(!receive(&mut rx, 1, is_arp).is_empty());
    send(&mut tx[1], &pool, &[frame(1, 60)]);
    assert_eq!(port.stats().tx_packets, 1);
}

#[test]
fn a_null_port_gives_and_takes() {
    let (_eal, pool) = eal();
    let config = PortConfig { rx_queues: 2, tx_queues: 2, ..PortConfig::default() };
    let (mut port, mut rx, mut tx) = Port::open("null:size=100", 3, &config, &pool).unwrap();
    assert_eq!(port.info().name, "net_null3");
    assert_eq!(port.info().driver, "net_null");
    let mut burst = Burst::new();
    assert_eq!(rx[1].recv(&mut burst, 40), 40);
    assert_eq!(rx[1].recv(&mut burst, 400), 216);
    assert_eq!(burst[0].len(), 100);
    assert_eq!(tx[0].send(&mut burst), 256);
    assert!(burst.is_empty());
    let stats = port.stats();
    assert_eq!((stats.rx_packets, stats.tx_packets), (256, 256));
    let xstats = port.xstats();
    assert!(xstats.contains(&("rx_good_packets".into(), 256)), "{xstats:?}");
    assert_eq!(rx[0].interrupt_fd(), None);
    assert!(port.set_mac(MacAddr::new([2, 0, 0, 0, 0, 5])).is_ok());
    assert_eq!(port.info().mac.octets()[5], 5);
    drop((port, rx, tx));
    // What this thread's cache holds is the pool's too.
    assert_eq!(pool.available(), pool.count());
}

#[test]
fn a_full_device_leaves_the_rest_in_order() {
    let (_eal, pool) = eal();
    let (_port, mut rx, mut tx) = open("ring", 0, &pool);
    let mut burst = Burst::new();
    let mut number = 0u32;
    loop {
        while burst.len() < 100 {
            let mut bytes = frame(0, 64);
            bytes[20..24].copy_from_slice(&number.to_be_bytes());
            burst.push(packet(&pool, &bytes));
            number += 1;
        }
        let before = burst.len();
        let sent = tx[0].send(&mut burst);
        assert_eq!(burst.len(), before - sent);
        if sent < before {
            break;
        }
    }
    assert!(!burst.is_empty() && burst.len() < 100, "{}", burst.len());
    let sent = number as usize - burst.len();
    let number_of = |bytes: &[u8]| u32::from_be_bytes(bytes[20..24].try_into().unwrap());
    let mut got = receive(&mut rx, sent, is_ours);
    got.extend(burst.drain(..).map(|packet| packet.data().to_vec()));
    let numbers: Vec<_> = got.iter().map(|bytes| number_of(bytes)).collect();
    assert_eq!(numbers, (0..number).collect::<Vec<_>>());
}

/// A capture in the classic form, little-endian, microseconds, Ethernet.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        let len = frame.len() as u32;
        for word in [1, 0, len, len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

#[test]
fn a_pcap_port_reads_one_capture_and_writes_another() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
    let frames: Vec<_> = (1..=50).map(|n| frame(n, 60 + usize::from(n))).collect();
    std::fs::write(&input, capture(&frames)).unwrap();
    let (_eal, pool) = eal();
    let text = format!("pcap:{},{}", input.display(), output.display());
    let (port, mut rx, mut tx) = open(&text, 0, &pool);
    let got = receive(&mut rx, 50, is_ours);
    assert_eq!(got, frames);
    assert!(receive(&mut rx, 1, is_ours).is_empty());
    send(&mut tx[0], &pool, &got);
    drop((port, rx, tx));
    let written = std::fs::read(&output).unwrap();
    let mut rest = &written[24..];
    for frame in &frames {
        assert_eq!(&rest[16..16 + frame.len()], &frame[..]);
        rest = &rest[16 + frame.len()..];
    }
    assert!(rest.is_empty());
}

#[test]
fn a_pcap_port_can_read_its_capture_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.pcap");
    std::fs::write(&input, capture(&[frame(1, 64), frame(2, 64)])).unwrap();
    let (_eal, pool) = eal();
    let text = format!("pcap:{},infinite_rx=1", input.display());
    let (_port, mut rx, _) = open(&text, 0, &pool);
    assert!(receive(&mut rx, 1000, is_ours).len() >= 1000);
}

#[test]
fn a_device_that_is_not_there_is_named_with_the_reason() {
    own_network();
    let (_eal, pool) = eal();
    let why =
        |text: &str| Port::open(text, 0, &PortConfig::default(), &pool).unwrap_err().to_string();
    assert!(why("af_packet:nosuch0").contains("no interface \"nosuch0\""));
    assert!(why("pcap:/no/such.pcap").contains("/no/such.pcap"));
    let said = why("net_nosuch0,x=1");
    assert!(said.contains("net_nosuch0") && said.contains("attach"), "{said}");
    let said = why("null:nonsense=1");
    assert!(said.contains("attach"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.pcap");
    std::fs::write(&text, "this is no capture, whatever its name says").unwrap();
    let said = why(&format!("pcap:{}", text.display()));
    assert!(said.contains("unknown file format"), "{said}");
}

#[test]
fn two_ports_cannot_have_one_name() {
    let (_eal, pool) = eal();
    let _first = open("net_null7", 0, &pool);
    let error = Port::open("net_null7", 1, &PortConfig::default(), &pool).unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
}

#[test]
fn a_port_tells_how_it_spreads_packets() {
    let (_eal, pool) = eal();
    let config = PortConfig { rx_queues: 4, ..PortConfig::default() };
    let (port, ..) = Port::open("null", 0, &config, &pool).unwrap();
    let told = port.info().spreading.as_ref().unwrap();
    // The driver keeps a key of its own, whatever it is given.
    assert_eq!(told.key.len(), 40);
    assert!(!told.queues.is_empty() && told.queues.iter().all(|queue| *queue < 4));
    assert_eq!(told.fields, [[true; 3]; 2]);
    let (port, ..) = open("ring", 1, &pool);
    assert_eq!(port.info().spreading, None);
}

/// DPDK's function takes its input as words of the host.
#[test]
fn the_hash_of_devices_is_that_of_dpdk() {
    let mut random = crate::packet::generate::Random::new(7);
    let key: Vec<u8> = (0..40).map(|_| random.next_u64() as u8).collect();
    for _ in 0..1000 {
        let mut words: [u32; 9] = std::array::from_fn(|_| random.next_u64() as u32);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        // SAFETY: nine words are there, and a key of 40 bytes.
        let wanted = unsafe { sys::rte_softrss(words.as_mut_ptr(), 9, key.as_ptr()) };
        assert_eq!(crate::packet::toeplitz::toeplitz(&key, &bytes), wanted);
    }
}

#[test]
fn a_cable_carries_both_ways_and_holds_no_more_than_it_has_room_for() {
    let (_eal, pool) = eal();
    let cable = Cable { queues: 2, near: 3, far: 100 };
    let [mut near, mut far] = cable.lay(&pool).unwrap();
    for queue in 0..2 {
        send(&mut near.tx[queue], &pool, &[frame(queue as u8, 60), frame(9, 1500)]);
        let came = receive(&mut far.rx[queue..=queue], 2, |_| true);
        assert_eq!(came, [frame(queue as u8, 60), frame(9, 1500)]);
    }
    let mut burst = Burst::new();
    burst.extend((0..5).map(|number| packet(&pool, &frame(number, 60))));
    assert_eq!((far.tx[1].send(&mut burst), burst.len()), (3, 2));
    assert_eq!(receive(&mut near.rx[..1], 1, |_| true).len(), 0);
    burst.clear();
    assert_eq!(pool.in_use(), 3);
    // Another beside it, and what is under way when both go.
    let others = cable.lay(&pool).unwrap();
    assert_ne!(others[0].port.info().id, near.port.info().id);
    drop((near, far, others));
    assert_eq!(pool.in_use(), 0);
    for queues in [0, 17] {
        assert!(Cable { queues, ..cable }.lay(&pool).is_err());
    }
}

//! What changes a router between packets: commands, and what hosts say of paths.

use super::*;
use crate::{
    capture::PcapWriter,
    telemetry::{protocol::IpBatch, report::ReplayReport},
};

fn udp_to(dst: [u8; 4]) -> Vec<u8> {
    FrameBuilder::new()
        .ethernet(MacAddr::new([2, 9, 9, 9, 9, 9]), MacAddr::new([2, 0, 0, 0, 0, 2]))
        .ipv4([10, 0, 0, 7].into(), dst.into())
        .udp(1000, 2000)
        .payload_len(18)
        .build()
}

fn file(text: &str) -> Option<IpBatch> {
    Some(IpBatch { text: text.into(), name: "lines".into(), options: Vec::new() })
}

/// Four packets to one address on the lan, 10 ms apart; what becomes of them.
fn four(batch: Option<IpBatch>, commands: Option<IpBatch>) -> Result<ReplayReport, String> {
    let dir = tempfile::tempdir().unwrap();
    let capture = dir.path().join("lan.pcap");
    let mut writer = PcapWriter::create(&capture).unwrap();
    for n in 0..4 {
        writer.write(1_700_000_000_000_000_000 + n * 10_000_000, &udp_to([7, 7, 7, 7])).unwrap();
    }
    writer.finish().unwrap();
    let options = Options {
        config: world(),
        captures: vec![("lan".into(), capture)],
        write: Some(dir.path().join("out")),
        repeat: 1,
        preload_mib: 512,
        workers: None,
        strict_mac: true,
        strict_neighbours: true,
        strict_hosts: false,
        routes_auto: false,
        batch,
        commands,
        progress: false,
    };
    replay(&options).map_err(|error| error.to_string())
}

#[test]
fn commands_come_before_the_packets_and_between_them() {
    let batch = file("# a way\nip route add 7.0.0.0/8 via 10.0.1.2\nroute show 7.0.0.0/8\n");
    let commands = file(
        "0.015 route replace blackhole 7.0.0.0/8\n\
         0.02 route del 9.0.0.0/8\n\
         0.025 ip link set wan carrier off\n\
         0.029 link show wan\n\
         0.1 route show 7.0.0.0/8\n",
    );
    let report = four(batch, commands).unwrap();
    assert_eq!(report.said.trim_end(), "7.0.0.0/8 via 10.0.1.2 dev wan");
    assert_eq!((report.packets_in, report.transmitted, report.dropped), (4, 2, 2));
    let said: Vec<_> = report.commands.iter().map(|row| (row.line, row.status)).collect();
    assert_eq!(said, [(1, 0), (2, 2), (3, 0), (4, 0), (5, 0)]);
    assert_eq!(report.commands[1].err, "RTNETLINK answers: No such process\n");
    assert!(report.commands[3].out.contains("NO-CARRIER"), "{:?}", report.commands[3]);
    assert_eq!(report.commands[4].out.trim_end(), "blackhole 7.0.0.0/8");
    assert_eq!((report.unaccounted, report.leaked), (0, 0));
}

#[test]
fn a_batch_that_fails_names_its_file_and_line() {
    let batch = file("route add 7.0.0.0/8 via 10.0.1.2\n\nroute add 7.0.0.0/8 via 10.0.1.2\n");
    assert_eq!(
        four(batch, None).unwrap_err(),
        "RTNETLINK answers: File exists\nCommand failed lines:3"
    );
}

/// An ICMP message to the router in a frame by the wan.
fn icmp(src: Ipv4Addr, message: &mut [u8]) -> Vec<u8> {
    let sum = checksum::checksum(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    FrameBuilder::new()
        .ethernet(MacAddr::new([2, 0, 0, 0, 1, 2]), MacAddr::new([2, 0, 0, 0, 0, 3]))
        .ipv4(src, [10, 0, 1, 1].into())
        .protocol(1)
        .payload(message)
        .build()
}

/// "Not more than `mtu`", about an echo reply of the router's to `host`.
fn too_big(host: Ipv4Addr, mtu: u16) -> Vec<u8> {
    let quoted =
        FrameBuilder::new().ipv4([10, 0, 1, 1].into(), host).protocol(1).payload(&[0; 8]).build();
    let [high, low] = mtu.to_be_bytes();
    let mut message = vec![3, 4, 0, 0, 0, 0, high, low];
    message.extend_from_slice(&quoted[14..42]);
    icmp(host, &mut message)
}

#[test]
fn what_is_learned_of_paths_is_bounded_and_forgotten() {
    let config = world();
    let machine = machine_for(&config);
    let mut world = World::new(&config, &machine, 1, Leniency::default());
    setup::load_routes(&config, &mut world.lockstep.rig.router).unwrap();
    let default = crate::route::spec::NextHopSpec {
        via: Some(Ipv4Addr::new(10, 0, 1, 2).into()),
        dev: None,
        weight: 1,
        onlink: false,
    };
    let spec = RouteSpec::through(ipnet::Ipv4Net::default(), default);
    world.lockstep.rig.router.route(Verb::Add, &spec).unwrap();
    world.lockstep.rig.router.commit();
    let host = |n: u32| Ipv4Addr::from_bits(0xac10_0000 + n);
    let known = |world: &World| world.lockstep.rig.router.exceptions().count();
    let begun = world.lockstep.now();
    for n in 0..3000 {
        world.lockstep.receive(1, &too_big(host(n), 1000));
    }
    assert_eq!(known(&world), 3000);
    for n in 3000..12_000 {
        world.lockstep.receive(1, &too_big(host(n), 1000));
    }
    let held = known(&world);
    assert!((6000..=2048 * 5).contains(&held), "{held} destinations of 12,000");
    world.lockstep.advance(begun + 599_000_000_000);
    world.lockstep.receive(1, &too_big(host(30_000), 1000));
    assert!(known(&world) > held / 2);
    world.lockstep.advance(begun + 602_000_000_000);
    assert_eq!(known(&world), 1, "ten minutes are over for all but the last");
    world.lockstep.advance(begun + 1_300_000_000_000);
    assert_eq!(known(&world), 0);
    world.finish();
}

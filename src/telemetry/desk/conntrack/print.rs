//! Connections and expectations in the formats of `conntrack`.
//!
//! - takes: copies that workers have made
//! - gives: a line each
//! - obeys: conntrack-tools 1.4.7 and its library, for `-o xml` and `-o save` too

use std::fmt::Write;

use super::{protocols::Kind, words::Output};
use crate::{
    conntrack::{
        Addr, Snapshot, Tuple,
        entry::status,
        events::{Event, Message},
        expect::flag,
        helper::HELPERS,
        show::{Options, transport},
    },
    netfilter::jobs::Expected,
};

const SECOND: u64 = 1_000_000_000;

/// Names of helpers by number.
fn helpers() -> Vec<String> {
    HELPERS.iter().map(|(_, info)| info.name.to_owned()).collect()
}

/// A connection, with the end of its line.
pub(super) fn connection(one: &Snapshot, output: Output) -> String {
    if output.xml {
        return xml(one, "");
    }
    if output.save {
        return save(one);
    }
    let helpers = helpers();
    one.line(&options(output, &helpers)) + "\n"
}

fn options(output: Output, helpers: &[String]) -> Options<'_> {
    Options { extended: output.extended, id: output.id, labels: None, helpers, event: false }
}

/// What has happened to a connection; `at` is the time of day.
pub(super) fn event(event: &Event, output: Output, at: std::time::Duration) -> String {
    if output.xml {
        let kind = match event.message() {
            Message::New => " type=\"new\"",
            Message::Update => " type=\"update\"",
            Message::Destroy => " type=\"destroy\"",
        };
        return xml(&event.snapshot, kind);
    }
    let stamp = match output.timestamp {
        true => format!("[{:<8}.{:<6}]\t", at.as_secs(), at.subsec_micros()),
        false => String::new(),
    };
    let helpers = helpers();
    format!("{stamp}{}\n", event.line(&options(output, &helpers)))
}

/// What has happened to an expectation, at this time of day.
pub(super) fn expected_event(
    event: &Event,
    expected: &Expected,
    output: Output,
    at: std::time::Duration,
) -> String {
    let kind = if event.message() == Message::New { "[NEW]" } else { "[DESTROY]" };
    let stamp = match output.timestamp {
        true => format!("[{:<8}.{:<6}]\t", at.as_secs(), at.subsec_micros()),
        false => String::new(),
    };
    format!("{stamp}{kind:>9} {}", expectation(expected, output))
}

fn ports(line: &mut String, tuple: &Tuple, kind: Kind) {
    // Writing to a string cannot fail.
    let _ = match kind {
        Kind::Gre => {
            write!(line, "srckey=0x{:x} dstkey=0x{:x} ", tuple.sport, tuple.dport)
        }
        Kind::Icmp | Kind::Icmp6 => {
            let [ty, code] = tuple.type_code();
            write!(line, "type={ty} code={code} id={} ", tuple.sport)
        }
        Kind::Other => Ok(()),
        _ => write!(line, "sport={} dport={} ", tuple.sport, tuple.dport),
    };
}

/// An expectation, with the end of its line.
pub(super) fn expectation(one: &Expected, output: Output) -> String {
    let Expected { expect, master, helper, left } = one;
    let six = expect.tuple.six;
    let mut line = String::new();
    if output.extended {
        let (name, number) = if six { ("ipv6", 10) } else { ("ipv4", 2) };
        let _ = write!(line, "{name:<8} {number} ");
    }
    let _ = write!(line, "{} proto={} ", left / SECOND, expect.tuple.proto);
    let all = if six { Addr([0xff; 16]) } else { Addr::four([0xff; 4]) };
    let mask = Tuple {
        src: expect.mask_src,
        dst: all,
        sport: expect.mask_sport,
        dport: u16::MAX,
        ..expect.tuple
    };
    let tuples = [(Some(&expect.tuple), ""), (Some(&mask), "mask-"), (master.as_ref(), "master-")];
    for (tuple, name) in tuples {
        let Some(tuple) = tuple else { continue };
        let (src, dst) = (tuple.src.ip(tuple.six), tuple.dst.ip(tuple.six));
        let _ = write!(line, "{name}src={src} {name}dst={dst} ");
        ports(&mut line, tuple, Kind::of(tuple.proto));
    }
    if expect.tuple.zone != 0 {
        let _ = write!(line, "zone={} ", expect.tuple.zone);
    }
    let flags = [
        (flag::PERMANENT, "PERMANENT"),
        (flag::INACTIVE, "INACTIVE"),
        (flag::USERSPACE, "USERSPACE"),
    ];
    let set = flags.into_iter().filter(|(bit, _)| expect.flags & bit != 0);
    let set: Vec<&str> = set.map(|(_, name)| name).collect();
    if !set.is_empty() {
        let _ = write!(line, "{} ", set.join(","));
    }
    let _ = write!(line, "class={}", expect.class);
    if let Some(name) = helpers().get(usize::from(*helper).wrapping_sub(1)) {
        let _ = write!(line, " helper={name}");
    }
    line + "\n"
}

fn xml(one: &Snapshot, kind: &str) -> String {
    let mut line = format!("<flow{kind}>");
    for (dir, (tuple, name)) in one.tuples.iter().zip(["original", "reply"]).enumerate() {
        let (family, number) = if tuple.six { ("ipv6", 10) } else { ("ipv4", 2) };
        let (src, dst) = (tuple.src.ip(tuple.six), tuple.dst.ip(tuple.six));
        let _ = write!(
            line,
            "<meta direction=\"{name}\"><layer3 protonum=\"{number}\" protoname=\"{family}\">\
             <src>{src}</src><dst>{dst}</dst></layer3><layer4 protonum=\"{}\" protoname=\"{}\">",
            tuple.proto,
            transport(tuple.proto)
        );
        let _ = match Kind::of(tuple.proto) {
            Kind::Gre => write!(
                line,
                "<srckey>0x{:x}</srckey><dstkey>0x{:x}</dstkey>",
                tuple.sport, tuple.dport
            ),
            Kind::Icmp | Kind::Icmp6 | Kind::Other => Ok(()),
            _ => write!(line, "<sport>{}</sport><dport>{}</dport>", tuple.sport, tuple.dport),
        };
        line.push_str("</layer4>");
        if let Some(counts) = one.counts {
            let [packets, octets] = [counts[dir * 2], counts[dir * 2 + 1]];
            let _ = write!(
                line,
                "<counters><packets>{packets}</packets><bytes>{octets}</bytes></counters>"
            );
        }
        line.push_str("</meta>");
    }
    line.push_str("<meta direction=\"independent\">");
    if let Some(state) = one.state.name() {
        let _ = write!(line, "<state>{state}</state>");
    }
    let _ = write!(line, "<timeout>{}</timeout><mark>{}</mark>", one.left / SECOND, one.mark);
    if one.zone != 0 && one.zone_dirs == [true; 2] {
        let _ = write!(line, "<zone>{}</zone>", one.zone);
    }
    let _ = write!(line, "<use>1</use><id>{}</id>", one.number());
    if one.is(status::ASSURED) {
        line.push_str("<assured/>");
    }
    if !one.is(status::SEEN_REPLY) {
        line.push_str("<unreplied/>");
    }
    line + "</meta></flow>\n"
}

/// A connection as the command that would make it.
fn save(one: &Snapshot) -> String {
    let [original, reply] = &one.tuples;
    let words = [
        (status::EXPECTED, "EXPECTED"),
        (status::SEEN_REPLY, "SEEN_REPLY"),
        (status::ASSURED, "ASSURED"),
        (status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
    ];
    let set: Vec<&str> =
        words.into_iter().filter(|(bit, _)| one.is(*bit)).map(|(_, name)| name).collect();
    let set = if set.is_empty() { "UNSET".to_owned() } else { set.join(",") };
    let mut line = format!("-A -t {} -u {set} ", one.left / SECOND);
    if one.zone != 0 {
        let option = match one.zone_dirs {
            [true, true] => "-w",
            [true, false] => "--orig-zone",
            _ => "--reply-zone",
        };
        let _ = write!(line, "{option} {} ", one.zone);
    }
    let six = original.six;
    let address = |address: Addr| address.ip(six);
    let moved = |done, was, is| one.is(done) && was != is;
    let from = if moved(status::DST_NAT_DONE, original.dst, reply.src) { "-g" } else { "-r" };
    let to = if moved(status::SRC_NAT_DONE, original.src, reply.dst) { "-n" } else { "-q" };
    let _ = write!(
        line,
        "-s {} -d {} {from} {} {to} {} -p {}",
        address(original.src),
        address(original.dst),
        address(reply.src),
        address(reply.dst),
        match transport(original.proto) {
            "unknown" => original.proto.to_string(),
            name => name.to_owned(),
        }
    );
    let kind = Kind::of(original.proto);
    let _ = match kind {
        Kind::Icmp | Kind::Icmp6 => {
            let name = if kind == Kind::Icmp { "icmp" } else { "icmpv6" };
            let ([ty, code], id) = (original.type_code(), original.sport);
            write!(line, " --{name}-type {ty} --{name}-code {code} --{name}-id {id}")
        }
        Kind::Gre => write!(
            line,
            " --srckey {} --dstkey {} --reply-key-src {} --reply-key-dst {}",
            original.sport, original.dport, reply.sport, reply.dport
        ),
        Kind::Other => Ok(()),
        _ => write!(
            line,
            " --sport {} --dport {} --reply-port-src {} --reply-port-dst {}",
            original.sport, original.dport, reply.sport, reply.dport
        ),
    };
    if let Some(state) = one.state.name() {
        let _ = write!(line, " --state {state}");
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conntrack::{ConnId, Dir, Expect};

    /// Lines that the real program has printed.
    #[test]
    fn expectations_read_as_those_of_the_real_one() {
        let tuple = |proto, src: [u8; 4], dst: [u8; 4], sport, dport| Tuple {
            src: Addr::four(src),
            dst: Addr::four(dst),
            sport,
            dport,
            proto,
            ..Tuple::default()
        };
        let (host, far, own) = ([10, 1, 0, 10], [192, 0, 2, 10], [192, 0, 2, 1]);
        let one = |expected: Tuple, mask: [u8; 4], mask_sport, flags, helper, master| {
            let expect = Expect {
                tuple: expected,
                mask_src: Addr::four(mask),
                mask_sport,
                master: ConnId { index: 1, generation: 1 },
                class: 0,
                flags,
                helper: 0,
                follow: 0,
                dir: Dir::Reply,
                saved_addr: Addr::default(),
                saved_port: 0,
                expires: 0,
            };
            let one = Expected { expect, master: Some(master), helper, left: 300 * SECOND };
            expectation(&one, Output::default())
        };
        let control = |proto, port| tuple(proto, host, far, 1000, port);
        assert_eq!(
            one(tuple(6, far, own, 0, 2048), [255; 4], 0, 0, 1, control(6, 21)),
            "300 proto=6 src=192.0.2.10 dst=192.0.2.1 sport=0 dport=2048 mask-src=255.255.255.255 \
             mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.1.0.10 \
             master-dst=192.0.2.10 sport=1000 dport=21 class=0 helper=ftp\n"
        );
        let flags = flag::PERMANENT | flag::INACTIVE;
        assert_eq!(
            one(tuple(17, far, own, 0, 5060), [255; 4], 0, flags, 4, control(17, 5060)),
            "300 proto=17 src=192.0.2.10 dst=192.0.2.1 sport=0 dport=5060 \
             mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 \
             master-src=10.1.0.10 master-dst=192.0.2.10 sport=1000 dport=5060 PERMANENT,INACTIVE \
             class=0 helper=sip\n"
        );
        assert_eq!(
            one(tuple(47, host, far, 5, 6), [255; 4], 0xffff, 0, 5, control(6, 1723)),
            "300 proto=47 src=10.1.0.10 dst=192.0.2.10 srckey=0x5 dstkey=0x6 \
             mask-src=255.255.255.255 mask-dst=255.255.255.255 srckey=0xffff dstkey=0xffff \
             master-src=10.1.0.10 master-dst=192.0.2.10 sport=1000 dport=1723 class=0 helper=pptp\n"
        );
    }
}

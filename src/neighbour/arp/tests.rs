use super::*;
use crate::packet::{MacAddr, arp::ArpSpec};

const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Behind another interface.
const BEYOND: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
/// The router's, on another interface.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// On the same link.
const NEXT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
const IFACE: u16 = 1;
const OTHER: u16 = 2;

/// A router with OURS on one interface and ELSEWHERE on another.
#[derive(Clone, Copy, Default)]
struct World {
    /// Answers to senders leave by the other interface.
    asymmetric: bool,
    /// No packet of this sender is let in.
    barred: Option<Ipv4Addr>,
    proxied: bool,
    other_medium: i32,
}

impl Facts for World {
    fn kind(&self, address: Ipv4Addr) -> Kind {
        match address {
            OURS | ELSEWHERE => Kind::Local,
            _ if address.is_multicast() => Kind::Multicast,
            _ if address.octets()[3] == 255 => Kind::Broadcast,
            _ => Kind::Unicast,
        }
    }

    fn arrives(&self, sender: Ipv4Addr, target: Ipv4Addr) -> Option<(Kind, u16)> {
        if self.barred == Some(sender) || self.kind(sender) != Kind::Unicast {
            return None;
        }
        let out = if target.octets()[0] == 10 { OTHER } else { IFACE };
        Some((self.kind(target), out))
    }

    fn leaves(&self, _: Ipv4Addr, _: Ipv4Addr) -> Option<u16> {
        Some(if self.asymmetric { OTHER } else { IFACE })
    }

    fn confirms(&self, anywhere: bool, peer: Ipv4Addr, local: Ipv4Addr, widest: u8) -> bool {
        let here = [("192.0.2.1/24".parse().unwrap(), 0)];
        let there = [("10.9.0.1/16".parse().unwrap(), 0)];
        let asks = |own: [(Ipv4Net, u8); 1]| {
            confirm(own.into_iter(), peer, local, widest, false).is_some()
        };
        asks(here) || anywhere && asks(there)
    }

    fn proxied(&self, _: Ipv4Addr) -> bool {
        self.proxied
    }

    fn medium(&self, _: u16) -> i32 {
        self.other_medium
    }
}

fn came(conf: ArpConf) -> Came {
    Came {
        iface: IFACE,
        unicast: false,
        waited: false,
        conf,
        forwarding: true,
        route_localnet: false,
        delays: true,
    }
}

fn verdict(spec: ArpSpec, came: &Came, world: World) -> Verdict {
    let bytes = spec.to_bytes();
    consider(&ArpView::new_checked(&bytes).unwrap(), came, &world)
}

fn ask(target: Ipv4Addr) -> ArpSpec {
    ArpSpec::request(MAC, PEER, target)
}

const ANSWERED: Verdict = Verdict { answer: Answer::IfLearned, learn: Learn::Request };
const LATER: Verdict = Verdict { answer: Answer::Later, learn: Learn::Request };
const AT_ONCE: Verdict = Verdict { answer: Answer::Now, learn: Learn::Request };
const HEARD: Verdict = Verdict {
    answer: Answer::No,
    learn: Learn::Hear { state: State::Stale, create: false, gratuitous: false },
};

#[test]
fn arp_ignore_and_the_addresses_that_it_lets_answer() {
    let far = ArpSpec::request(MAC, BEYOND, OURS);
    // Level, and whether we answer for our address here, our address elsewhere, a distant sender.
    for (ignore, here, elsewhere, distant) in [
        (0, true, true, true),
        (1, true, false, true),
        (2, true, false, false),
        (3, true, true, true),
        (4, true, true, true),
        (7, true, true, true),
        (8, false, false, false),
    ] {
        let came = came(ArpConf { ignore, ..ArpConf::default() });
        for (spec, wanted) in [(ask(OURS), here), (ask(ELSEWHERE), elsewhere), (far, distant)] {
            let expected = if wanted { ANSWERED } else { NOTHING };
            assert_eq!(verdict(spec, &came, World::default()), expected, "{ignore} {spec:?}");
        }
        // A probe is treated alike, and never learned.
        let probe = ArpSpec { sender_ip: Ipv4Addr::UNSPECIFIED, ..ask(OURS) };
        let said = verdict(probe, &came, World::default());
        assert_eq!(said.learn, Learn::No);
        assert_eq!(said.answer == Answer::Now, here, "{ignore}");
    }
}

#[test]
fn arp_filter_answers_only_where_the_sender_is_reached() {
    let filtering = came(ArpConf { filter: true, ..ArpConf::default() });
    let away = World { asymmetric: true, ..World::default() };
    let filtered = Verdict { answer: Answer::Filtered, learn: Learn::No };
    assert_eq!(verdict(ask(OURS), &filtering, away), filtered);
    assert_eq!(verdict(ask(OURS), &filtering, World::default()), ANSWERED);
    assert_eq!(verdict(ask(OURS), &came(ArpConf::default()), away), ANSWERED);
}

#[test]
fn a_sender_that_is_not_let_in_gets_no_answer_but_is_heard() {
    let world = World { barred: Some(PEER), ..World::default() };
    assert_eq!(verdict(ask(OURS), &came(ArpConf::default()), world), HEARD);
    let ours = ArpSpec::request(MAC, OURS, OURS);
    assert_eq!(verdict(ours, &came(ArpConf::default()), World::default()).answer, Answer::No);
}

#[test]
fn proxy_arp_and_who_is_answered_for() {
    let off = ArpConf::default();
    let on = ArpConf { proxy: true, ..off };
    let vlan = ArpConf { proxy_pvlan: true, ..off };
    let medium = |medium| ArpConf { medium, ..on };
    let other = |other_medium| World { other_medium, ..World::default() };
    let entry = World { proxied: true, ..World::default() };
    for (case, conf, world, target, expected) in [
        ("nothing is on", off, other(0), BEYOND, HEARD),
        ("proxy_arp", on, other(0), BEYOND, LATER),
        ("proxy_arp, on the same link", on, other(0), NEXT, HEARD),
        ("proxy_arp_pvlan, on the same link", vlan, other(0), NEXT, LATER),
        ("proxy_arp_pvlan, elsewhere", vlan, other(0), BEYOND, HEARD),
        ("an entry", off, entry, BEYOND, LATER),
        ("an entry on the same link", off, entry, NEXT, HEARD),
        ("another medium", medium(1), other(2), BEYOND, LATER),
        ("a medium that is not known", medium(1), other(0), BEYOND, LATER),
        ("the same medium", medium(1), other(1), BEYOND, HEARD),
        ("a medium without proxies there", medium(1), other(-1), BEYOND, HEARD),
        ("a medium without proxies here", medium(-1), other(2), BEYOND, HEARD),
    ] {
        assert_eq!(verdict(ask(target), &came(conf), world), expected, "{case}");
        let host = Came { forwarding: false, ..came(conf) };
        assert_eq!(verdict(ask(target), &host, world), HEARD, "{case}, not forwarding");
    }
    let same = ArpSpec::request(MAC, NEXT, NEXT);
    assert_eq!(verdict(same, &came(vlan), World::default()).answer, Answer::No);
    for come in [
        Came { unicast: true, ..came(on) },
        Came { waited: true, ..came(on) },
        Came { delays: false, ..came(on) },
    ] {
        assert_eq!(verdict(ask(BEYOND), &come, World::default()), AT_ONCE);
    }
}

#[test]
fn targets_that_nobody_may_ask_for() {
    let plain = came(ArpConf::default());
    for target in [Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::LOCALHOST] {
        assert_eq!(verdict(ask(target), &plain, World::default()), NOTHING);
    }
    let local = Came { route_localnet: true, ..plain };
    assert_ne!(verdict(ask(Ipv4Addr::LOCALHOST), &local, World::default()), NOTHING);
    for operation in [0, 3, 8, 0xffff] {
        let odd = ArpSpec { operation, ..ask(OURS) };
        assert_eq!(verdict(odd, &plain, World::default()), NOTHING);
    }
}

#[test]
fn what_announcements_and_replies_teach() {
    let heard = |spec, accept, unicast| {
        let come = Came { unicast, ..came(ArpConf { accept, ..ArpConf::default() }) };
        verdict(spec, &come, World::default()).learn
    };
    let hear = |state, create, gratuitous| Learn::Hear { state, create, gratuitous };
    let announce = ArpSpec::request(MAC, PEER, PEER);
    let echo = ArpSpec::reply(MAC, PEER, MAC, PEER);
    let false_echo = ArpSpec::reply(MAC, PEER, MacAddr::BROADCAST, PEER);
    let reply = ArpSpec::reply(MAC, PEER, MAC, OURS);
    let group = ArpSpec::reply(MAC, Ipv4Addr::new(224, 0, 0, 9), MAC, OURS);
    let (stale, reachable) = (State::Stale, State::Reachable);
    for (case, spec, accept, unicast, expected) in [
        ("gratuitous request", announce, 0, false, hear(stale, false, true)),
        ("gratuitous request, accepted", announce, 1, false, hear(stale, true, true)),
        ("gratuitous reply", echo, 1, false, hear(stale, true, true)),
        ("gratuitous reply to nobody", false_echo, 0, false, hear(stale, false, false)),
        ("unicast reply", reply, 0, true, hear(reachable, false, false)),
        ("unicast reply, accepted", reply, 1, true, hear(reachable, true, false)),
        ("broadcast reply", reply, 1, false, hear(stale, true, false)),
        ("reply of a group", group, 1, true, hear(reachable, false, false)),
        ("of the subnet", announce, 2, false, hear(stale, true, true)),
        (
            "from elsewhere",
            ArpSpec::request(MAC, BEYOND, BEYOND),
            2,
            false,
            hear(stale, false, true),
        ),
        ("request for another", ask(NEXT), 1, false, hear(stale, false, false)),
    ] {
        assert_eq!(heard(spec, accept, unicast), expected, "{case}");
    }
    let strict = came(ArpConf { drop_gratuitous: true, ..ArpConf::default() });
    assert_eq!(verdict(announce, &strict, World::default()), NOTHING);
    assert_eq!(verdict(reply, &strict, World::default()).answer, Answer::No);
}

#[test]
fn arp_announce_and_the_source_of_a_question() {
    for (level, local, on_link, expected) in [
        (0, true, false, true),
        (0, false, true, false),
        (1, true, true, true),
        (1, true, false, false),
        (1, false, true, false),
        (2, true, true, false),
        (9, true, false, true),
    ] {
        let source = announce(level, Some(PEER), |_| local, |_| on_link);
        assert_eq!(source, expected.then_some(PEER), "{level} {local} {on_link}");
        assert_eq!(announce(level, None, |_| local, |_| on_link), None);
    }
}

#[test]
fn an_own_address_is_confirmed_by_scope_and_subnet() {
    let own: [(Ipv4Net, u8); 3] = [
        ("192.0.2.1/24".parse().unwrap(), 0),
        ("10.0.0.1/8".parse().unwrap(), scope::LINK),
        ("127.0.0.9/8".parse().unwrap(), scope::HOST),
    ];
    let any = Ipv4Addr::UNSPECIFIED;
    let found = |peer, local, widest| confirm(own.into_iter(), peer, local, widest, false);
    assert_eq!(found(any, OURS, scope::HOST), Some(OURS));
    assert_eq!(found(PEER, OURS, scope::HOST), Some(OURS));
    assert_eq!(found(BEYOND, OURS, scope::HOST), None);
    assert_eq!(found(BEYOND, any, scope::LINK), Some(Ipv4Addr::new(10, 0, 0, 1)));
    let host = Ipv4Addr::new(127, 0, 0, 9);
    assert_eq!(found(any, host, scope::LINK), None);
    assert_eq!(confirm(own.into_iter(), any, host, scope::LINK, true), Some(host));
    assert_eq!(found(any, NEXT, scope::HOST), None);
}

#[test]
fn no_packet_makes_it_panic() {
    bolero::check!().with_type::<([u8; 28], u8, bool, bool, bool)>().for_each(
        |&(bytes, level, unicast, forwarding, proxy)| {
            let conf =
                ArpConf { ignore: level % 9, accept: level % 3, proxy, ..ArpConf::default() };
            let come = Came { unicast, forwarding, ..came(conf) };
            if let Ok(arp) = ArpView::new_checked(&bytes) {
                let said = consider(&arp, &come, &World::default());
                if arp.operation() != REQUEST {
                    assert_eq!(said.answer, Answer::No);
                }
            }
        },
    );
}

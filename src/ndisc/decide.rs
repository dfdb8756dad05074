//! What a neighbour's message means: for its neighbour's entry, for our own addresses, and whether it
//! is answered.
//!
//! - takes: a message that passed the checks of RFC 4861, and what is known of its target
//! - gives: an [`Update`] for the neighbour's entry, an answer, or word of a duplicate
//! - obeys: RFC 4861 sections 6.2.6, 7.2.3 to 7.2.5 and 8.3, RFC 4862 section 5.4, RFC 4429, RFC 7527,
//!   RFC 9131, in the kernel's order; rows [7.141] to [7.156]

use std::net::Ipv6Addr;

use super::Conf;
use crate::packet::{
    MacAddr,
    ndisc::{ALL_NODES, Advertisement, Neighbour, Redirect, RouterSolicitation, solicited_node},
};

/// What a target is to the interface by which a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address of the interface.
    Own {
        /// It is not known yet whether somebody else has it.
        tentative: bool,
        /// It is used all the same.
        optimistic: bool,
        /// What our questions for it carry.
        nonce: Option<[u8; 6]>,
        /// It is the VRF's of the interface, for which that answers in its own name.
        master: bool,
    },
    /// An anycast address of the interface.
    Anycast,
    /// An address for which we answer, and whether it is a router's.
    Proxy {
        /// It answers as a router.
        router: bool,
    },
    /// Somebody else's.
    Other,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The frame was addressed to this station alone.
    pub unicast_frame: bool,
    /// It is a frame of our own that came back.
    pub looped: bool,
    /// It has waited as long as those who answer for others wait.
    pub delayed: bool,
    /// `proxy_delay` is not 0.
    pub may_delay: bool,
}

/// What an entry of a neighbour is told; the flags are those of the kernel's `neigh_update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// The neighbour.
    pub address: Ipv6Addr,
    /// Where it is, where the message says so.
    pub mac: Option<MacAddr>,
    /// It answered us just now; otherwise its entry becomes stale.
    pub reachable: bool,
    /// An entry is made where there is none.
    pub create: bool,
    /// Another address than the known one takes its place.
    pub overrides: bool,
    /// Without that, another address makes a reachable entry stale, and is not taken.
    pub weak: bool,
    /// Whether it is a router is taken over.
    pub router: Option<bool>,
    /// Not where the entry has failed.
    pub unless_failed: bool,
}

/// What is to be done about a solicitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Ignore,
    /// It is our own question, which came back (RFC 7527).
    OwnProbe,
    /// Somebody else wants the address that we are about to take.
    Duplicate,
    /// It is looked at again after a time of chance up to `proxy_delay`.
    Later,
    /// Somebody wants an address that is ours: say so to all.
    Defend(Answer),
    /// An ordinary question.
    Reply {
        /// What the one who asks is told to its entry.
        update: Update,
        /// The answer, which is left out where there is no entry in the end.
        answer: Answer,
    },
}

/// An advertisement to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// To whom.
    pub dst: Ipv6Addr,
    /// Of what.
    pub target: Ipv6Addr,
    /// The target is an address of ours, and the source of the packet; otherwise one is chosen.
    pub own: bool,
    /// Flags.
    pub says: Advertisement,
    /// It tells where we are.
    pub with_mac: bool,
}

impl Answer {
    /// The packet from an address.
    pub fn packet(&self, src: Ipv6Addr, mac: MacAddr) -> Neighbour {
        Neighbour {
            src: if self.own { self.target } else { src },
            dst: self.dst,
            target: self.target,
            mac: self.with_mac.then_some(mac),
            nonce: None,
            advertisement: Some(self.says),
        }
    }
}

/// Somebody asks for a neighbour.
pub fn solicitation(heard: &Neighbour, target: Target, arrival: Arrival, conf: &Conf) -> Asked {
    let probes = heard.src.is_unspecified();
    let multicast = heard.dst.is_multicast();
    let (own, master, optimistic) = match target {
        Target::Own { tentative: true, nonce, .. } if probes => {
            let known = heard.nonce.is_some() && heard.nonce == nonce;
            return if known { Asked::OwnProbe } else { Asked::Duplicate };
        }
        Target::Own { tentative: true, optimistic: false, .. } => return Asked::Ignore,
        Target::Own { optimistic, master, .. } => (true, master, optimistic),
        Target::Anycast => (false, false, false),
        Target::Proxy { .. } if conf.forwarding => (false, false, false),
        Target::Proxy { .. } | Target::Other => return Asked::Ignore,
    };
    if !own && !arrival.delayed && !arrival.unicast_frame && multicast && arrival.may_delay {
        return Asked::Later;
    }
    let router = match target {
        Target::Proxy { router } => router,
        _ => conf.forwarding,
    };
    let says = |solicited: bool, overrides: bool| Advertisement {
        router,
        solicited,
        // RFC 4429 section 3.3: who is not sure yet takes nobody's place.
        overrides: overrides && !optimistic,
    };
    let answer = |dst: Ipv6Addr, says: Advertisement, with_mac: bool| Answer {
        dst,
        target: heard.target,
        own: own && !master,
        says,
        with_mac: with_mac || own && !master && conf.force_tllao,
    };
    if probes {
        return Asked::Defend(answer(ALL_NODES, says(false, own), true));
    }
    let update = Update {
        address: heard.src,
        mac: heard.mac,
        reachable: false,
        create: !multicast || heard.mac.is_some(),
        overrides: true,
        weak: true,
        router: None,
        unless_failed: false,
    };
    Asked::Reply { update, answer: answer(heard.src, says(true, own && multicast), multicast) }
}

/// What is to be done about an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Ignore,
    /// Somebody else has the address that we are about to take.
    Duplicate,
    /// Somebody else says that it has an address of ours.
    Conflict,
    /// The target's entry is told; where it was a router's before and is not now, routes through the
    /// sender are no more.
    Update(Update),
}

/// Somebody tells of a neighbour. `own_mac` is the interface's, `on_link` whether the sender's address
/// is in a network of the interface.
pub fn advertisement(
    heard: &Neighbour,
    target: Target,
    arrival: Arrival,
    own_mac: MacAddr,
    on_link: bool,
    conf: &Conf,
) -> Told {
    let Some(says) = heard.advertisement else { return Told::Ignore };
    if !says.solicited && conf.drop_unsolicited_na {
        return Told::Ignore;
    }
    match target {
        Target::Own { tentative: true, .. } if !arrival.looped => return Told::Duplicate,
        Target::Own { .. } if !arrival.looped => return Told::Conflict,
        Target::Own { .. } => return Told::Ignore,
        // Our own word for another, which came back.
        Target::Proxy { .. } if heard.mac == Some(own_mac) && conf.all_forwarding => {
            return Told::Ignore;
        }
        _ => {}
    }
    let untracked = match conf.accept_untracked_na {
        0 => false,
        1 => true,
        _ => on_link,
    };
    Told::Update(Update {
        address: heard.target,
        mac: heard.mac,
        reachable: says.solicited,
        create: heard.mac.is_some() && conf.forwarding && untracked,
        overrides: says.overrides,
        weak: true,
        router: Some(says.router),
        unless_failed: true,
    })
}

/// Somebody asks for routers: what its entry is told. Whether it is answered is the advertiser's.
pub fn router_solicitation(heard: &RouterSolicitation, conf: &Conf) -> Option<Update> {
    if !conf.forwarding || heard.src.is_unspecified() {
        return None;
    }
    Some(Update {
        address: heard.src,
        mac: heard.mac,
        reachable: false,
        create: true,
        overrides: true,
        weak: true,
        router: Some(false),
        unless_failed: false,
    })
}

/// A router tells of itself: what its entry is told.
pub fn router_advertisement(src: Ipv6Addr, mac: Option<MacAddr>) -> Update {
    Update {
        address: src,
        mac,
        reachable: false,
        create: true,
        overrides: true,
        weak: true,
        router: Some(true),
        unless_failed: false,
    }
}

/// A router knows a better way: what the target's entry is told; nothing where redirects are not
/// heard. That the sender is the way that is used is the route's to say. [8.122]
pub fn redirect(heard: &Redirect, conf: &Conf) -> Option<Update> {
    if conf.forwarding || !conf.accept_redirects {
        return None;
    }
    Some(Update {
        address: heard.target,
        mac: heard.mac,
        reachable: false,
        create: true,
        overrides: true,
        weak: true,
        router: (!heard.on_link()).then_some(true),
        unless_failed: false,
    })
}

/// The redirect that a packet calls for which leaves by the interface that it came by; nothing where
/// the sender could not use it. `gateway` is the route's, `mac` where the target is. [8.121]
pub fn redirect_for(
    own: Ipv6Addr,
    packet: &[u8],
    gateway: Option<Ipv6Addr>,
    mac: Option<MacAddr>,
) -> Option<Redirect> {
    let address = |at: usize| {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets))
    };
    let (src, destination) = (address(8)?, address(24)?);
    let target = gateway.unwrap_or(destination);
    if target != destination && !target.is_unicast_link_local() {
        return None;
    }
    let redirected = Some(packet.to_vec());
    Some(Redirect { src: own, dst: src, target, destination, mac, redirected })
}

/// A question for a neighbour: of it alone where its place is known, or of its group. `source` is that
/// of the packet that waits, where it is an address of the interface; `link_local` the interface's.
/// Nothing where there is no address to ask from. [7.133] to [7.135]
pub fn question(
    target: Ipv6Addr,
    unicast: bool,
    source: Option<Ipv6Addr>,
    link_local: Option<Ipv6Addr>,
    mac: MacAddr,
) -> Option<Neighbour> {
    Some(Neighbour {
        src: source.or(link_local)?,
        dst: if unicast { target } else { solicited_node(target) },
        target,
        mac: Some(mac),
        nonce: None,
        advertisement: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
    const OWN: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
    const OURS: Target =
        Target::Own { tentative: false, optimistic: false, nonce: None, master: false };

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn router() -> Conf {
        Conf { forwarding: true, all_forwarding: true, ..Conf::default() }
    }

    fn asks(src: &str, dst: &str) -> Neighbour {
        let (src, dst, target) = (ip(src), ip(dst), ip("2001:db8::1"));
        let mac = (!src.is_unspecified()).then_some(MAC);
        Neighbour { src, dst, target, mac, nonce: None, advertisement: None }
    }

    const GROUP: &str = "ff02::1:ff00:1";
    const FRAME: Arrival =
        Arrival { unicast_frame: false, looped: false, delayed: false, may_delay: true };

    fn flags(asked: Asked) -> Option<(Ipv6Addr, [bool; 4])> {
        let (Asked::Reply { answer, .. } | Asked::Defend(answer)) = asked else { return None };
        let Advertisement { router, solicited, overrides } = answer.says;
        Some((answer.dst, [router, solicited, overrides, answer.with_mac]))
    }

    /// Router, solicited, override and the option, for each way to ask. [7.144] [7.147] [7.148]
    #[test]
    fn answers_have_the_flags_that_the_question_calls_for() {
        let (group, alone) = (asks("fe80::2", GROUP), asks("fe80::2", "2001:db8::1"));
        let probe = asks("::", GROUP);
        let unicast = Arrival { unicast_frame: true, ..FRAME };
        let optimistic =
            Target::Own { tentative: true, optimistic: true, nonce: None, master: false };
        let of_vrf = Target::Own { tentative: false, optimistic: false, nonce: None, master: true };
        let proxy = Target::Proxy { router: false };
        let peer = ip("fe80::2");
        let (yes, no) = (true, false);
        for (heard, target, arrival, want) in [
            (group, OURS, FRAME, Some((peer, [yes, yes, yes, yes]))),
            (alone, OURS, unicast, Some((peer, [yes, yes, no, no]))),
            (probe, OURS, FRAME, Some((ALL_NODES, [yes, no, yes, yes]))),
            (group, of_vrf, FRAME, Some((peer, [yes, yes, yes, yes]))),
            (group, optimistic, FRAME, Some((peer, [yes, yes, no, yes]))),
            (alone, proxy, unicast, Some((peer, [no, yes, no, no]))),
            (alone, Target::Anycast, unicast, Some((peer, [yes, yes, no, no]))),
            (group, Target::Other, FRAME, None),
        ] {
            let asked = solicitation(&heard, target, arrival, &router());
            assert_eq!(flags(asked), want, "{heard:?} {target:?}");
        }
        let host = solicitation(&group, OURS, FRAME, &Conf::default());
        assert_eq!(flags(host), Some((peer, [no, yes, yes, yes])));
        let told = Conf { force_tllao: true, ..Conf::default() };
        let host = solicitation(&alone, OURS, unicast, &told);
        assert_eq!(flags(host), Some((peer, [no, yes, no, yes])));
        let host = solicitation(&alone, of_vrf, unicast, &told);
        assert_eq!(flags(host), Some((peer, [no, yes, no, no])));
        let Asked::Reply { answer, .. } = host else { panic!("{host:?}") };
        assert!(!answer.own, "a VRF's address is no source on its links");
    }

    /// Who answers for others waits, where the question went to a group. [7.142] [7.143]
    #[test]
    fn those_who_answer_for_others_wait() {
        let heard = asks("fe80::2", GROUP);
        let proxy = Target::Proxy { router: true };
        for target in [proxy, Target::Anycast] {
            assert_eq!(solicitation(&heard, target, FRAME, &router()), Asked::Later);
            let waited = Arrival { delayed: true, ..FRAME };
            let asked = flags(solicitation(&heard, target, waited, &router()));
            assert_eq!(asked, Some((ip("fe80::2"), [true, true, false, true])));
            let at_once = Arrival { may_delay: false, ..FRAME };
            assert_ne!(solicitation(&heard, target, at_once, &router()), Asked::Later);
        }
        assert_eq!(solicitation(&heard, proxy, FRAME, &Conf::default()), Asked::Ignore);
    }

    /// A tentative address is nobody's yet. [7.141] [7.161]
    #[test]
    fn a_tentative_address_answers_nobody() {
        let nonce = Some([1, 2, 3, 4, 5, 6]);
        let tentative = Target::Own { tentative: true, optimistic: false, nonce, master: false };
        let ask = |heard: &Neighbour| solicitation(heard, tentative, FRAME, &router());
        assert_eq!(ask(&asks("fe80::2", GROUP)), Asked::Ignore);
        assert_eq!(ask(&asks("::", GROUP)), Asked::Duplicate);
        assert_eq!(ask(&Neighbour { nonce, ..asks("::", GROUP) }), Asked::OwnProbe);
        let other = Some([9; 6]);
        assert_eq!(ask(&Neighbour { nonce: other, ..asks("::", GROUP) }), Asked::Duplicate);
    }

    /// Who is learned from a question. [7.146]
    #[test]
    fn a_question_makes_an_entry_where_it_says_where_it_comes_from() {
        let bare = Neighbour { mac: None, ..asks("fe80::2", GROUP) };
        let alone = Neighbour { mac: None, ..asks("fe80::2", "2001:db8::1") };
        for (heard, create) in [(bare, false), (alone, true), (asks("fe80::2", GROUP), true)] {
            let asked = solicitation(&heard, OURS, FRAME, &router());
            let Asked::Reply { update, .. } = asked else { panic!("{asked:?}") };
            assert_eq!((update.create, update.overrides, update.router), (create, true, None));
        }
    }

    fn tells(says: Advertisement) -> Neighbour {
        let (src, target) = (ip("fe80::2"), ip("2001:db8::2"));
        let dst = ip("fe80::9");
        Neighbour { src, dst, target, mac: Some(MAC), nonce: None, advertisement: Some(says) }
    }

    /// What advertisements do to addresses and entries. [7.150] to [7.155]
    #[test]
    fn advertisements_are_believed_by_their_flags() {
        let says = Advertisement { router: true, solicited: true, overrides: false };
        let told = |heard: &Neighbour, target: Target, conf: &Conf| {
            advertisement(heard, target, FRAME, OWN, true, conf)
        };
        let conf = router();
        let tentative =
            Target::Own { tentative: true, optimistic: false, nonce: None, master: false };
        let heard = tells(says);
        assert_eq!(told(&heard, tentative, &conf), Told::Duplicate);
        assert_eq!(told(&heard, OURS, &conf), Told::Conflict);
        let looped = Arrival { looped: true, ..FRAME };
        let back = advertisement(&heard, tentative, looped, OWN, true, &conf);
        assert_eq!(back, Told::Ignore);
        let Told::Update(update) = told(&heard, Target::Other, &conf) else { panic!() };
        assert!(update.reachable && !update.overrides && update.weak && update.unless_failed);
        assert_eq!((update.router, update.create), (Some(true), false));
        let own = Neighbour { mac: Some(OWN), ..heard };
        assert_eq!(told(&own, Target::Proxy { router: false }, &conf), Told::Ignore);
        let unasked = tells(Advertisement { solicited: false, ..says });
        let strict = Conf { drop_unsolicited_na: true, ..router() };
        assert_eq!(told(&unasked, Target::Other, &strict), Told::Ignore);
        // RFC 9131: routers may learn from what nobody asked for.
        for (knob, on_link, forwarding, create) in [
            (0, true, true, false),
            (1, false, true, true),
            (1, true, false, false),
            (2, true, true, true),
            (2, false, true, false),
        ] {
            let conf = Conf { accept_untracked_na: knob, forwarding, ..Conf::default() };
            let told = advertisement(&unasked, Target::Other, FRAME, OWN, on_link, &conf);
            let Told::Update(update) = told else { panic!("{told:?}") };
            assert_eq!((update.create, update.reachable), (create, false), "{knob} {on_link}");
        }
    }

    /// Redirects are for hosts; the router's own are for targets of the link. [8.121] [8.122]
    #[test]
    fn redirects_are_heard_by_hosts_and_sent_for_the_link() {
        let mut packet = vec![0x60; 40];
        packet[8..24].copy_from_slice(&ip("2001:db8::5").octets());
        packet[24..40].copy_from_slice(&ip("2001:db8:9::1").octets());
        let own = ip("fe80::1");
        let made = redirect_for(own, &packet, Some(ip("fe80::3")), Some(MAC)).unwrap();
        assert_eq!((made.dst, made.target), (ip("2001:db8::5"), ip("fe80::3")));
        assert!(redirect_for(own, &packet, Some(ip("2001:db8::3")), None).is_none());
        let direct = redirect_for(own, &packet, None, None).unwrap();
        assert!(direct.on_link() && !made.on_link());
        let update = redirect(&made, &Conf::default()).unwrap();
        assert_eq!((update.address, update.router), (ip("fe80::3"), Some(true)));
        assert_eq!(redirect(&direct, &Conf::default()).unwrap().router, None);
        assert!(redirect(&made, &router()).is_none());
        let deaf = Conf { accept_redirects: false, ..Conf::default() };
        assert!(redirect(&made, &deaf).is_none());
    }

    #[test]
    fn questions_come_from_an_address_of_the_link() {
        let (target, own) = (ip("2001:db8::7"), Some(ip("fe80::9")));
        let asked = question(target, false, None, own, OWN).unwrap();
        assert_eq!((asked.src, asked.dst), (ip("fe80::9"), ip("ff02::1:ff00:7")));
        let source = Some(ip("2001:db8::9"));
        let asked = question(target, true, source, own, OWN).unwrap();
        assert_eq!((asked.src, asked.dst), (ip("2001:db8::9"), target));
        assert_eq!(question(target, true, None, None, OWN), None);
    }

    #[test]
    fn routers_and_those_who_ask_for_them_are_learned() {
        let heard = RouterSolicitation { src: ip("fe80::2"), dst: ip("ff02::2"), mac: Some(MAC) };
        let update = router_solicitation(&heard, &router()).unwrap();
        assert_eq!((update.router, update.create), (Some(false), true));
        assert!(router_solicitation(&heard, &Conf::default()).is_none());
        let nobody = RouterSolicitation { src: Ipv6Addr::UNSPECIFIED, mac: None, ..heard };
        assert!(router_solicitation(&nobody, &router()).is_none());
        assert_eq!(router_advertisement(ip("fe80::2"), None).router, Some(true));
    }
}

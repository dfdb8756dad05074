//! Stories of hosts and routers, with the kernel's and radvd's numbers.

use std::net::Ipv6Addr;

use super::*;
use crate::packet::{
    MacAddr,
    ndisc::{
        ALL_NODES, Advertisement, Item, Message, Neighbour, Preference, PrefixInfo, RouteInfo,
        RouterAdvertisement, RouterSolicitation,
    },
};

mod advertise;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0xa]);
const ROUTER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0xb]);
const MS: Nanos = 1_000_000;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A machine, its time, and what it has wanted so far.
struct Story {
    host: Interface,
    now: Nanos,
    seen: Vec<(Nanos, Action)>,
}

impl Story {
    fn new(conf: Conf) -> Self {
        Self { host: Interface::new(conf, MAC, 1500, [7; 32]), now: 0, seen: Vec::new() }
    }

    fn up(conf: Conf) -> Self {
        let mut story = Self::new(conf);
        story.host.handle_up(0);
        story.pass(5);
        story
    }

    /// Lets seconds pass; what was wanted in them.
    fn pass(&mut self, seconds: u64) -> Vec<(Nanos, Action)> {
        let end = self.now + seconds * SECOND;
        let mut seen = Vec::new();
        loop {
            seen.extend(self.host.take_actions().into_iter().map(|action| (self.now, action)));
            match self.host.next_deadline().filter(|at| *at <= end) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
            self.host.poll(self.now);
        }
        self.now = end;
        self.seen.extend(seen.iter().cloned());
        seen
    }

    fn has(&self, address: &str) -> Option<&Address> {
        self.host.address(ip(address))
    }

    fn hear(&mut self, items: Vec<Item>, lifetime: u16) {
        self.host.handle_advertisement(self.now, &advertisement(items, lifetime)).unwrap();
    }

    fn routes(&self) -> Vec<String> {
        let route = |route: &Route| {
            let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
            let left = route.expires.map(|at| format!(" {}", (at - self.now) / SECOND));
            format!("{}{via}{} {:?}", route.network, left.unwrap_or_default(), route.kind)
        };
        self.host.routes().iter().map(route).collect()
    }
}

fn advertisement(items: Vec<Item>, lifetime: u16) -> RouterAdvertisement {
    RouterAdvertisement {
        src: ip("fe80::ff:fe00:b"),
        dst: ALL_NODES,
        hop_limit: 64,
        managed: false,
        other: false,
        home_agent: false,
        preference: Some(Preference::Medium),
        lifetime,
        reachable_time: 0,
        retrans_timer: 0,
        items: [vec![Item::Source(ROUTER)], items].concat().into(),
    }
}

fn prefix(valid: u32, preferred: u32) -> Item {
    let info = Prefix::new(ip("2001:db8:1::"), 64).info;
    Item::Prefix(PrefixInfo { valid, preferred, ..info })
}

fn sent(seen: &[(Nanos, Action)]) -> Vec<(Nanos, Message)> {
    let message = |(at, action): &(Nanos, Action)| match action {
        Action::Send(packet) => Some((*at, Message::parse(packet).expect("a message"))),
        _ => None,
    };
    seen.iter().filter_map(message).collect()
}

fn position(seen: &[(Nanos, Action)], which: impl Fn(&Action) -> bool) -> Option<usize> {
    seen.iter().position(|(_, action)| which(action))
}

/// A link comes up: the group is joined, one question is asked from nobody with a nonce, and after a
/// second the address is ours. [8.67] [7.157] [7.158] [7.159]
#[test]
fn an_address_is_asked_for_before_it_is_taken() {
    let mut story = Story::new(Conf { router_solicitations: 0, ..Conf::default() });
    story.host.handle_up(0);
    let own = ip("fe80::ff:fe00:a");
    assert!(story.has("fe80::ff:fe00:a").unwrap().flags.tentative);
    let seen = story.pass(5);
    let [(asked, Message::Neighbour(question))] = &sent(&seen)[..] else { panic!("{seen:?}") };
    let Neighbour { src, dst, target, mac, nonce, .. } = *question;
    assert_eq!((src, dst, target), (Ipv6Addr::UNSPECIFIED, ip("ff02::1:ff00:a"), own));
    assert!(mac.is_none() && nonce.is_some() && *asked < SECOND);
    let joined = position(&seen, |action| matches!(action, Action::Join(g) if *g == dst));
    let taken = position(&seen, |action| matches!(action, Action::Receive(a) if *a == own));
    let ready = position(&seen, |action| matches!(action, Action::Ready));
    assert!(joined < taken && taken < ready);
    assert_eq!(seen[taken.unwrap()].0, asked + SECOND);
    let flags = story.has("fe80::ff:fe00:a").unwrap().flags;
    assert!(flags.permanent && !flags.tentative);
    assert_eq!(story.host.link_local(), Some(own));
    assert_eq!(story.routes(), ["fe80::/64 Connected"]);
}

/// No search where it is off, by the address or the interface; none ends while it goes on. [7.162]
#[test]
fn the_search_may_be_left_out() {
    let mut nodad = NewAddress::permanent(ip("2001:db8::1"), 64);
    nodad.flags.nodad = true;
    let mut story = Story::up(Conf::default());
    story.host.add(story.now, nodad).unwrap();
    assert!(!story.has("2001:db8::1").unwrap().flags.tentative);
    let mut story = Story::up(Conf { accept_dad: 0, ..Conf::default() });
    story.host.add(story.now, NewAddress::permanent(ip("2001:db8::1"), 64)).unwrap();
    assert!(!story.has("2001:db8::1").unwrap().flags.tentative);
    let mut story =
        Story::up(Conf { dad_transmits: 3, router_solicitations: 0, ..Conf::default() });
    story.host.add(story.now, NewAddress::permanent(ip("2001:db8::1"), 64)).unwrap();
    assert_eq!(sent(&story.pass(6)).len(), 3);
}

/// What cannot be added, in the kernel's words.
#[test]
fn addresses_that_cannot_be_are_refused() {
    let mut story = Story::up(Conf::default());
    let plain = NewAddress::permanent(ip("2001:db8::1"), 64);
    story.host.add(story.now, plain).unwrap();
    let mut manages = NewAddress { len: 65, ..NewAddress::permanent(ip("2001:db8::2"), 64) };
    manages.flags.mngtmpaddr = true;
    for (new, error) in [
        (plain, AddressError::Exists),
        (NewAddress { len: 129, ..plain }, AddressError::Length),
        (NewAddress { valid: 10, preferred: 11, ..plain }, AddressError::Lifetime),
        (NewAddress { valid: 0, preferred: 0, ..plain }, AddressError::Lifetime),
        (NewAddress { address: ip("ff02::1"), ..plain }, AddressError::NotAssignable),
        (NewAddress { address: ip("::"), ..plain }, AddressError::NotAssignable),
        (manages, AddressError::Manages),
    ] {
        assert_eq!(story.host.add(story.now, new), Err(error), "{new:?}");
    }
    assert_eq!(story.host.remove(story.now, ip("2001:db8::9")), Err(AddressError::NotFound));
    let off = Conf { disable_ipv6: true, ..Conf::default() };
    story.host.set_conf(story.now, off);
    assert!(story.host.addresses().is_empty());
    assert_eq!(story.host.add(story.now, plain), Err(AddressError::Disabled));
}

/// Somebody has the address: it stays to be seen and is never used. [8.68] [7.161]
#[test]
fn a_duplicate_is_never_used() {
    let mut story = Story::up(Conf::default());
    story.host.add(story.now, NewAddress::permanent(ip("2001:db8::1"), 64)).unwrap();
    story.host.handle_duplicate(story.now, ip("2001:db8::1"));
    let seen = story.pass(10);
    let flags = story.has("2001:db8::1").unwrap().flags;
    assert!(flags.dadfailed && flags.tentative);
    assert_eq!(position(&seen, |action| matches!(action, Action::Receive(_))), None);
    // Too late for one that is ours.
    story.host.handle_duplicate(story.now, ip("fe80::ff:fe00:a"));
    assert!(!story.has("fe80::ff:fe00:a").unwrap().flags.dadfailed);
}

/// `accept_dad` 2: without its own address of the link an interface has no IPv6. [7.161]
#[test]
fn a_duplicate_of_the_mac_may_turn_ipv6_off() {
    for (accept_dad, off) in [(1, false), (2, true)] {
        let mut story = Story::new(Conf { accept_dad, ..Conf::default() });
        story.host.handle_up(0);
        story.host.handle_duplicate(0, ip("fe80::ff:fe00:a"));
        let seen = story.pass(5);
        let disabled = position(&seen, |action| matches!(action, Action::Disable)).is_some();
        assert_eq!((disabled, story.host.addresses().is_empty()), (off, off));
        assert!(sent(&seen).is_empty(), "no question for routers");
    }
}

/// An address of a secret is made anew, three times at most, a second after each duplicate.
#[test]
fn an_address_of_a_secret_is_made_anew() {
    let secret = Some(ip("2001:db8::1:2:3:4"));
    let mut story = Story::new(Conf { addr_gen_mode: 2, stable_secret: secret, ..Conf::default() });
    story.host.handle_up(0);
    for _ in 0..3 {
        let fresh = story.host.addresses().iter().find(|known| !known.flags.dadfailed);
        let fresh = fresh.expect("another try").address;
        story.host.handle_duplicate(story.now, fresh);
        story.pass(1);
    }
    let failed = story.host.addresses().iter().filter(|known| known.flags.dadfailed).count();
    assert_eq!((failed, story.host.addresses().len()), (3, 4));
    story.pass(5);
    assert!(story.host.link_local().is_some());
}

/// An optimistic address is heard at once, on hosts alone. [7.160]
#[test]
fn an_optimistic_address_is_heard_at_once() {
    for (all_forwarding, optimistic) in [(false, true), (true, false)] {
        let conf = Conf { optimistic_dad: true, all_forwarding, ..Conf::default() };
        let mut story = Story::new(conf);
        story.host.handle_up(0);
        let own = story.has("fe80::ff:fe00:a").unwrap();
        assert_eq!((own.flags.optimistic, own.receives), (optimistic, optimistic));
        story.pass(3);
        assert!(!story.has("fe80::ff:fe00:a").unwrap().flags.optimistic);
    }
}

/// `ndisc_notify`: who has taken an address tells all. [7.157]
#[test]
fn a_new_address_may_be_told_to_all() {
    let conf = Conf { ndisc_notify: true, router_solicitations: 0, ..Conf::default() };
    let mut story = Story::new(conf);
    story.host.handle_up(0);
    let seen = sent(&story.pass(5));
    let [_, (_, Message::Neighbour(told))] = &seen[..] else { panic!("{seen:?}") };
    let says = told.advertisement.unwrap();
    assert_eq!((told.dst, told.mac), (ALL_NODES, Some(MAC)));
    assert!(says.overrides && !says.solicited && !says.router);
}

/// A device with another link-layer address tells it for each address that is there. [7.88]
#[test]
fn a_new_link_layer_address_may_be_told_to_all() {
    for notify in [true, false] {
        let conf = Conf {
            ndisc_notify: notify,
            forwarding: true,
            accept_dad: 0,
            router_solicitations: 0,
            ..Conf::default()
        };
        let mut story = Story::new(conf);
        story.host.handle_up(0);
        story.pass(5);
        let other = MacAddr([2, 0, 0, 0, 0, 0x77]);
        story.host.set_mac(other);
        story.host.announce();
        let seen = sent(&story.pass(1));
        let told = seen.iter().filter_map(|(_, message)| match message {
            Message::Neighbour(told) => Some((told.target, told.mac, told.advertisement)),
            _ => None,
        });
        let own = "fe80::ff:fe00:a".parse().unwrap();
        let says = Advertisement { router: true, solicited: false, overrides: true };
        let wanted = notify.then_some((own, Some(other), Some(says)));
        assert_eq!(told.collect::<Vec<_>>(), wanted.into_iter().collect::<Vec<_>>());
    }
}

/// Routers are asked for at once when the link's address is there, then after about 4, 8, 16 seconds,
/// and so on up to an hour, until one answers. [8.69] [8.70]
#[test]
fn routers_are_asked_for_less_and_less_often() {
    let mut story = Story::new(Conf::default());
    story.host.handle_up(0);
    let asked: Vec<Nanos> = sent(&story.pass(40_000))
        .into_iter()
        .filter(|(_, message)| matches!(message, Message::RouterSolicitation(_)))
        .map(|(at, _)| at)
        .collect();
    let waits: Vec<f64> = asked.windows(2).map(|two| (two[1] - two[0]) as f64 / 1e9).collect();
    assert!((3.6..=4.4).contains(&waits[0]), "{waits:?}");
    for (wait, before) in waits[1..].iter().zip(&waits) {
        let doubled = (1.9..=2.1).contains(&(wait / before));
        assert!(doubled || (3240.0..=3960.0).contains(wait), "{waits:?}");
    }
    story.hear(vec![], 0);
    assert!(sent(&story.pass(10_000)).is_empty(), "a router has answered");
    let mut story = Story::new(Conf { router_solicitations: 3, ..Conf::default() });
    story.host.handle_up(0);
    let asks = |seen: Vec<(Nanos, Action)>| {
        sent(&seen).iter().filter(|(_, m)| matches!(m, Message::RouterSolicitation(_))).count()
    };
    assert_eq!(asks(story.pass(1000)), 3);
    for (forwarding, accept_ra, want) in [(true, 1, 0), (true, 2, 3), (false, 0, 0), (false, 1, 3)]
    {
        let conf = Conf { forwarding, accept_ra, router_solicitations: 3, ..Conf::default() };
        let mut story = Story::new(conf);
        story.host.handle_up(0);
        assert_eq!(asks(story.pass(1000)), want, "{forwarding} {accept_ra}");
    }
}

/// An advertisement gives a default route, an address and the network's route. [8.74] [8.78] [8.80]
#[test]
fn an_advertisement_configures_a_host() {
    let mut story = Story::up(Conf::default());
    story.hear(vec![prefix(3000, 2000), Item::Mtu(1400)], 1800);
    story.pass(5);
    let own = story.has("2001:db8:1::ff:fe00:a").expect("an address");
    assert!(own.flags.mngtmpaddr && !own.flags.permanent && !own.flags.tentative);
    assert_eq!(own.remaining(story.now), (2995, 1995));
    let want = [
        "fe80::/64 Connected",
        "::/0 via fe80::ff:fe00:b 1795 Default",
        "2001:db8:1::/64 2995 OnLink",
    ];
    assert_eq!(story.routes(), want);
    let default = story.host.routes()[1];
    assert_eq!((default.hop_limit, default.mtu, default.metric), (Some(64), Some(1400), 1024));
    // Lifetime 0: no default router any more. Prefix 0: no route, and the address stays for long.
    story.hear(vec![prefix(0, 0)], 0);
    assert_eq!(story.routes(), ["fe80::/64 Connected"]);
    assert_eq!(story.has("2001:db8:1::ff:fe00:a").unwrap().remaining(story.now), (2995, 0));
}

/// Whoever sends a short lifetime takes two hours at most. [8.81]
#[test]
fn no_lifetime_is_cut_below_two_hours() {
    for (stored, told, want) in [
        (86_400, 100, 7200),
        (86_400, 8000, 8000),
        (3000, 100, 3000),
        (3000, 5000, 5000),
        (3000, 0, 3000),
        (7201, 7199, 7200),
    ] {
        let mut story = Story::up(Conf::default());
        story.hear(vec![prefix(stored, 10)], 0);
        story.hear(vec![prefix(told, told.min(5))], 0);
        let own = story.has("2001:db8:1::ff:fe00:a").unwrap();
        assert_eq!(own.remaining(story.now), (want, told.min(5)), "{stored} {told}");
    }
    let mut story = Story::up(Conf { ra_honor_pio_life: true, ..Conf::default() });
    story.hear(vec![prefix(86_400, 10)], 0);
    story.hear(vec![prefix(100, 10)], 0);
    let own = story.has("2001:db8:1::ff:fe00:a").unwrap();
    assert_eq!(own.remaining(story.now), (100, 10));
}

/// After the preferred lifetime an address is deprecated, after the valid one gone. [8.83]
#[test]
fn addresses_grow_old() {
    let mut story = Story::up(Conf::default());
    story.hear(vec![prefix(100, 50)], 0);
    story.pass(49);
    assert!(!story.has("2001:db8:1::ff:fe00:a").unwrap().flags.deprecated);
    story.pass(1);
    assert!(story.has("2001:db8:1::ff:fe00:a").unwrap().flags.deprecated);
    let seen = story.pass(50);
    assert!(story.has("2001:db8:1::ff:fe00:a").is_none());
    let own = ip("2001:db8:1::ff:fe00:a");
    assert!(position(&seen, |a| matches!(a, Action::Refuse(gone) if *gone == own)).is_some());
    let group = ip("ff02::1:ff00:a");
    assert!(position(&seen, |a| matches!(a, Action::Leave(left) if *left == group)).is_some());
    assert_eq!(story.routes(), ["fe80::/64 Connected"]);
}

/// What is not heard: other lengths, groups, prefixes of the link, and what the tunables forbid.
/// [8.73] [8.80]
#[test]
fn not_every_prefix_makes_an_address() {
    let info = Prefix::new(ip("2001:db8:1::"), 64).info;
    let cases: Vec<(Conf, PrefixInfo, usize, usize)> = vec![
        (Conf::default(), info, 1, 1),
        (Conf::default(), PrefixInfo { len: 63, ..info }, 0, 1),
        (Conf::default(), PrefixInfo { prefix: ip("fe80::"), ..info }, 0, 0),
        (Conf::default(), PrefixInfo { prefix: ip("ff0e::"), ..info }, 0, 0),
        (Conf::default(), PrefixInfo { preferred: 86_401, ..info }, 0, 0),
        (Conf::default(), PrefixInfo { on_link: false, ..info }, 1, 0),
        (Conf::default(), PrefixInfo { autonomous: false, ..info }, 0, 1),
        (Conf { autoconf: false, ..Conf::default() }, info, 0, 1),
        (Conf { accept_ra_pinfo: false, ..Conf::default() }, info, 0, 0),
        (Conf { accept_ra_min_lft: 90_000, ..Conf::default() }, info, 0, 0),
        (
            Conf { ra_honor_pio_pflag: true, ..Conf::default() },
            PrefixInfo { prefers_delegation: true, ..info },
            0,
            1,
        ),
    ];
    for (conf, info, addresses, routes) in cases {
        let mut story = Story::up(conf);
        story.hear(vec![Item::Prefix(info)], 0);
        let made = story.host.addresses().len() - 1;
        assert_eq!((made, story.routes().len() - 1), (addresses, routes), "{info:?}");
    }
    // `max_addresses` counts the link's own too.
    let mut story = Story::up(Conf::default());
    for n in 0..20 {
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0);
        story.hear(vec![Item::Prefix(PrefixInfo { prefix, ..info })], 0);
    }
    assert_eq!(story.host.addresses().len(), 16);
}

/// Routes behind a router, within the lengths that are taken. [8.82]
#[test]
fn routes_behind_routers_are_taken_within_limits() {
    let route = |len: u8, lifetime: u32| {
        let prefix = ip("2001:db8:5::");
        Item::Route(RouteInfo { prefix, len, preference: Preference::High, lifetime })
    };
    for (least, most, len, want) in
        [(0, 0, 48, false), (0, 64, 48, true), (49, 64, 48, false), (0, 47, 48, false)]
    {
        let mut story = Story::up(Conf {
            accept_ra_rt_info_min_plen: least,
            accept_ra_rt_info_max_plen: most,
            ..Conf::default()
        });
        story.hear(vec![route(len, 777)], 0);
        let routes = story.routes();
        let told = "2001:db8:5::/48 via fe80::ff:fe00:b 777 Information".to_owned();
        assert_eq!(routes.contains(&told), want, "{routes:?}");
        story.hear(vec![route(len, 0)], 0);
        assert_eq!(story.routes().len(), 1);
    }
}

/// Default routers by the tunables. [8.76] [8.78] [8.79]
#[test]
fn default_routers_are_taken_by_the_tunables() {
    let default = |conf: Conf, heard: &RouterAdvertisement| {
        let mut story = Story::up(conf);
        story.host.handle_advertisement(story.now, heard).unwrap();
        story.host.routes().iter().find(|route| route.kind == RouteKind::Default).copied()
    };
    let heard = advertisement(vec![], 600);
    let high = RouterAdvertisement { preference: Some(Preference::High), ..heard.clone() };
    let odd = RouterAdvertisement { preference: None, ..heard.clone() };
    let plain = Conf::default();
    assert_eq!(default(plain.clone(), &high).unwrap().preference, Preference::High);
    assert_eq!(default(plain.clone(), &odd).unwrap().preference, Preference::Medium);
    let unranked = Conf { accept_ra_rtr_pref: false, ..plain.clone() };
    assert_eq!(default(unranked, &high).unwrap().preference, Preference::Medium);
    let metric = Conf { ra_defrtr_metric: 77, ..plain.clone() };
    assert_eq!(default(metric, &heard).unwrap().metric, 77);
    let limit = Conf { accept_ra_min_hop_limit: 65, ..plain.clone() };
    assert_eq!(default(limit, &heard).unwrap().hop_limit, None);
    for deaf in [
        Conf { accept_ra_defrtr: false, ..plain.clone() },
        Conf { accept_ra_min_lft: 601, ..plain.clone() },
        Conf { accept_ra: 0, ..plain.clone() },
        Conf { forwarding: true, ..plain.clone() },
    ] {
        assert_eq!(default(deaf, &heard), None);
    }
    assert!(default(Conf { forwarding: true, accept_ra: 2, ..plain.clone() }, &heard).is_some());
    // Our own, which came back.
    let own = RouterAdvertisement { src: ip("fe80::ff:fe00:a"), ..heard.clone() };
    assert_eq!(default(plain.clone(), &own), None);
    assert!(default(Conf { accept_ra_from_local: true, ..plain }, &own).is_some());
}

/// A flood of advertisements takes no more than its share.
#[test]
fn what_routers_tell_is_bounded() {
    let mut story = Story::up(Conf { use_tempaddr: 2, ..Conf::default() });
    let info = Prefix::new(ip("2001:db8:1::"), 64).info;
    for n in 0..5000 {
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0);
        let src = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n);
        let item = Item::Prefix(PrefixInfo { prefix, ..info });
        let heard = RouterAdvertisement { src, ..advertisement(vec![item], 1800) };
        story.host.handle_advertisement(story.now, &heard).unwrap();
        story.host.take_actions();
    }
    let (addresses, routes) = (story.host.addresses().len(), story.host.routes().len());
    assert!(addresses <= 17 && routes <= 1024, "{addresses} {routes}");
}

/// A host that becomes a router forgets its routers and takes up anycast addresses. [8.75] [8.12]
#[test]
fn a_router_has_no_router_and_the_anycast_addresses_of_its_networks() {
    let mut story = Story::up(Conf::default());
    story.hear(vec![], 600);
    story.host.add(story.now, NewAddress::permanent(ip("2001:db8::1"), 64)).unwrap();
    story.host.add(story.now, NewAddress::permanent(ip("2001:db8:7::1"), 127)).unwrap();
    story.pass(3);
    let forwarding = Conf { forwarding: true, all_forwarding: true, ..Conf::default() };
    story.host.set_conf(story.now, forwarding);
    assert!(story.host.routes().iter().all(|route| route.kind != RouteKind::Default));
    assert!(story.host.is_anycast(ip("2001:db8::")) && story.host.is_anycast(ip("fe80::")));
    assert!(!story.host.is_anycast(ip("2001:db8:7::")), "a link of two has none");
    story.host.add(story.now, NewAddress::permanent(ip("2001:db8::2"), 64)).unwrap();
    story.pass(3);
    story.host.remove(story.now, ip("2001:db8::1")).unwrap();
    assert!(story.host.is_anycast(ip("2001:db8::")), "another address still has the network");
    story.host.set_conf(story.now, Conf::default());
    assert!(story.host.anycasts().is_empty());
}

/// A temporary address beside the other, its successor shortly before it is deprecated. [8.85] [8.86]
#[test]
fn temporary_addresses_follow_each_other() {
    let mut story = Story::up(Conf { use_tempaddr: 2, ..Conf::default() });
    story.hear(vec![prefix(FOREVER - 1, FOREVER - 1)], 0);
    let temporary = |story: &Story| {
        let all = story.host.addresses().iter().filter(|known| known.flags.temporary);
        all.map(|known| (known.address, known.flags.deprecated)).collect::<Vec<_>>()
    };
    let first = temporary(&story);
    assert_eq!(first.len(), 1);
    let made = story.host.address(first[0].0).unwrap();
    assert_eq!(made.valid, 604_800);
    assert!((85_800..=86_400).contains(&made.preferred), "{}", made.preferred);
    let lasts = u64::from(made.preferred);
    story.pass(lasts - 6);
    assert_eq!(temporary(&story).len(), 1);
    story.pass(10);
    let second = temporary(&story);
    assert_eq!(second.len(), 2);
    assert!(second.contains(&(first[0].0, true)), "the first is deprecated");
    story.pass(8 * 86_400);
    assert!(!temporary(&story).iter().any(|(address, _)| *address == first[0].0));
    // A link whose prefix does not last long enough has none.
    let mut story = Story::up(Conf { use_tempaddr: 1, ..Conf::default() });
    story.hear(vec![prefix(5, 5)], 0);
    assert!(temporary(&story).is_empty());
}

/// A temporary address that is somebody's gets a successor, three times, and then no more. [8.86]
#[test]
fn temporary_addresses_are_not_made_for_ever() {
    let mut story = Story::up(Conf { use_tempaddr: 1, ..Conf::default() });
    story.hear(vec![prefix(86_400, 86_400)], 0);
    let mut tries = 0;
    while let Some(known) = story.host.addresses().iter().find(|known| known.flags.temporary) {
        let address = known.address;
        story.host.handle_duplicate(story.now, address);
        tries += 1;
        assert!(tries < 10);
    }
    assert_eq!(tries, 3);
}

/// A link that goes takes its addresses, unless they are kept; then they are asked for anew.
#[test]
fn a_link_that_goes_takes_its_addresses() {
    for (keep, left) in [(false, 1), (true, 2)] {
        let mut story = Story::up(Conf { keep_addr_on_down: keep, ..Conf::default() });
        story.host.add(story.now, NewAddress::permanent(ip("2001:db8::1"), 64)).unwrap();
        story.pass(3);
        story.host.handle_down(story.now);
        story.pass(3);
        story.host.handle_up(story.now);
        assert_eq!(story.host.addresses().len(), left);
        assert!(story.host.addresses().iter().all(|known| known.flags.tentative));
        story.pass(3);
        assert!(story.host.addresses().iter().all(|known| !known.flags.tentative));
    }
}

/// Addresses that reach farther stand before others, newer ones before older ones.
#[test]
fn addresses_stand_in_the_order_in_which_linux_has_them() {
    let mut story = Story::up(Conf::default());
    for address in ["2001:db8::1", "fe80::1", "2001:db8::2"] {
        story.host.add(story.now, NewAddress::permanent(ip(address), 64)).unwrap();
    }
    let order: Vec<_> = story.host.addresses().iter().map(|a| a.address.to_string()).collect();
    assert_eq!(order, ["2001:db8::2", "2001:db8::1", "fe80::1", "fe80::ff:fe00:a"]);
}

//! Stories of routers that advertise.

use super::*;

fn told(advertiser: &mut Advertiser, end: Nanos) -> Vec<(Nanos, RouterAdvertisement)> {
    let (mut now, mut told) = (0, Vec::new());
    loop {
        told.extend(advertiser.take_actions().into_iter().map(|heard| (now, heard)));
        match advertiser.next_deadline().filter(|at| *at <= end) {
            Some(at) => now = at.max(now),
            None => return told,
        }
        advertiser.poll(now);
    }
}

fn advertiser(settings: Settings) -> Advertiser {
    settings.check().expect("settings");
    let mut advertiser = Advertiser::new(0, settings, ROUTER, 1500, 7);
    advertiser.handle_up(0, ip("fe80::ff:fe00:b"));
    advertiser
}

/// The first three come within 16 seconds of each other, the others between the intervals. [8.72]
#[test]
fn advertisements_come_in_time() {
    let all = told(&mut advertiser(Settings::default()), 10_000 * SECOND);
    let waits: Vec<f64> = all.windows(2).map(|w| (w[1].0 - w[0].0) as f64 / 1e9).collect();
    assert_eq!((all[0].0, &waits[..2]), (0, &[16.0; 2][..]));
    assert!(waits[2..].iter().all(|wait| (198.0..600.0).contains(wait)), "{waits:?}");
    assert_eq!(all[0].1.lifetime, 1800);
    assert_eq!(all[0].1.items.iter().collect::<Vec<_>>(), [&Item::Source(ROUTER)]);
}

/// Who asks is answered alone within half a second, and all others when none was told for a while.
#[test]
fn who_asks_is_answered_soon() {
    let asked = |src: &str| RouterSolicitation { src: ip(src), dst: ip("ff02::2"), mac: None };
    let mut alone = advertiser(Settings::default());
    told(&mut alone, SECOND);
    alone.handle_solicitation(SECOND, &asked("fe80::5"));
    alone.handle_solicitation(SECOND, &asked("fe80::5"));
    let answers = told(&mut alone, 3 * SECOND);
    let [(at, answer)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(answer.dst, ip("fe80::5"));
    assert!((SECOND..SECOND + 500 * MS).contains(at));
    let mut all = advertiser(Settings { unicast_answers: false, ..Settings::default() });
    told(&mut all, 100 * SECOND);
    for (from, soonest, latest) in [(100, 100_000, 100_500), (101, 103_000, 103_500)] {
        all.handle_solicitation(from * SECOND, &asked("fe80::5"));
        let answers = told(&mut all, (from + 4) * SECOND);
        let (at, answer) = answers.last().expect("an answer");
        assert_eq!(answer.dst, ALL_NODES);
        assert!((soonest..=latest).contains(&(at / MS)), "{at}");
    }
    // A flood of those who ask is answered once for all.
    let mut flood = advertiser(Settings::default());
    told(&mut flood, 100 * SECOND);
    for n in 0..1000 {
        let src = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n);
        flood.handle_solicitation(100 * SECOND, &RouterSolicitation { src, ..asked("fe80::5") });
    }
    assert!(told(&mut flood, 110 * SECOND).len() <= 65);
}

/// Everything that radvd tells, in its order, and what is taken back in the end. [8.71] [8.84] [8.87]
#[test]
fn all_is_told_and_taken_back() {
    let servers = vec![ip("2001:db8::53")];
    let route = AdvertisedRoute {
        prefix: ip("2001:db8:5::"),
        len: 48,
        preference: Preference::High,
        lifetime: None,
        removes: true,
    };
    let deprecated = Prefix { deprecates: true, ..Prefix::new(ip("2001:db8:1::"), 64) };
    let decreasing = Prefix { decrements: true, ..Prefix::new(ip("2001:db8:2::"), 64) };
    let settings = Settings {
        max_interval: 100 * SECOND,
        managed: true,
        other: true,
        mtu: Some(1400),
        preference: Preference::High,
        prefixes: vec![deprecated, decreasing],
        routes: vec![route],
        servers: vec![Servers { servers: servers.clone(), lifetime: None, flushes: true }],
        domains: vec![Domains { domains: vec!["lan".into()], lifetime: Some(5), flushes: false }],
        ..Settings::default()
    };
    let mut router = advertiser(settings);
    let first = told(&mut router, 0).remove(0).1;
    assert_eq!((first.lifetime, first.preference), (300, Some(Preference::High)));
    assert!(first.managed && first.other);
    assert_eq!(first.items.mtu(), Some(1400));
    router.cease(1000 * SECOND);
    let last = router.take_actions().remove(0);
    assert_eq!((last.lifetime, last.preference), (0, Some(Preference::Medium)));
    let lifetimes: Vec<_> = last.items.prefixes().map(|p| (p.valid, p.preferred)).collect();
    assert_eq!(lifetimes, [(7200, 0), (85_400, 13_400)]);
    assert_eq!(last.items.routes().map(|route| route.lifetime).collect::<Vec<_>>(), [0]);
    assert!(
        last.items
            .iter()
            .any(|item| *item == Item::Rdnss { lifetime: 0, servers: servers.clone() })
    );
    assert_eq!(router.next_deadline(), None);
    // Who has said farewell says nothing more.
    router.handle_up(1001 * SECOND, ip("fe80::ff:fe00:b"));
    assert_eq!(router.next_deadline(), None);
}

/// Options that do not fit into one packet go into another.
#[test]
fn many_prefixes_take_several_packets() {
    let prefix = |n| Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0), 64);
    let prefixes = (0..100).map(prefix).collect();
    let mut router = advertiser(Settings { prefixes, ..Settings::default() });
    let packets = told(&mut router, 0);
    assert_eq!(packets.len(), 3);
    assert!(packets.iter().all(|(_, heard)| heard.to_bytes().len() <= 1500));
    let count: usize = packets.iter().map(|(_, heard)| heard.items.prefixes().count()).sum();
    assert_eq!(count, 100);
}

/// Settings that RFC 4861 does not allow.
#[test]
fn settings_are_checked() {
    let plain = Settings::default();
    let late = Prefix::new(ip("2001:db8::"), 64);
    let late = Prefix { info: PrefixInfo { preferred: 86_401, ..late.info }, ..late };
    for (settings, error) in [
        (Settings { max_interval: 3 * SECOND, ..plain.clone() }, SettingsError::MaxInterval),
        (Settings { max_interval: 1801 * SECOND, ..plain.clone() }, SettingsError::MaxInterval),
        (
            Settings { min_interval: Some(451 * SECOND), ..plain.clone() },
            SettingsError::MinInterval,
        ),
        (Settings { lifetime: Some(599), ..plain.clone() }, SettingsError::Lifetime),
        (Settings { prefixes: vec![late], ..plain.clone() }, SettingsError::Preferred),
        (
            Settings { prefixes: vec![Prefix::new(ip("fe80::"), 64)], ..plain },
            SettingsError::Prefix,
        ),
    ] {
        assert_eq!(settings.check(), Err(error));
    }
}

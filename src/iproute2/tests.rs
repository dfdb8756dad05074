//! What an operator sees when typing `ip` lines.

use super::*;

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn abbreviated_objects_and_verbs_are_understood() {
    assert_eq!(parse(&words("r")), parse(&words("route list table main")));
    assert_eq!(parse(&words("a s")), parse(&words("address show")));
    assert_eq!(parse(&words("n")), parse(&words("neighbour list")));
    assert_eq!(parse(&words("l")), parse(&words("link show")));
}

#[test]
fn the_family_is_told_by_the_option_or_by_the_first_address() {
    let route = |line: &str| match parse(&words(line)).unwrap().action {
        Action::Route(RouteCommand::Add(spec)) => spec,
        other => panic!("{other:?}"),
    };
    let spec = route("route add default via fe80::1 dev d0 pref high");
    assert_eq!(spec.dst.to_string(), "::/0");
    assert_eq!(spec.pref, crate::route::spec::Pref::High);
    assert_eq!(route("route add default via 192.0.2.9").dst.to_string(), "0.0.0.0/0");
    assert_eq!(route("-6 route add default dev d0").dst.to_string(), "::/0");
    assert_eq!(route("route add 2001:db8::5/32 dev d0").dst.to_string(), "2001:db8::/32");
    assert!(parse(&words("-4 route add 2001:db8::/32 dev d0")).is_err());
    assert!(parse(&words("-6 route add 192.0.2.0/24 dev d0")).is_err());
    let shown = "2001:db8::/48 from 2001:db8:1::/64 via fe80::2 dev d0 proto ra metric 101 \
                 expires 99sec mtu 1400 pref low";
    let spec = parse_route_words(false, &words(shown)).unwrap();
    assert_eq!((spec.expires, spec.metric, spec.mtu), (Some(99), 101, Some(1400)));
    assert_eq!(spec.src.unwrap().to_string(), "2001:db8:1::/64");
}

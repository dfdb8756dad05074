//! Rules of nftables in the configuration, which commands change between packets.

use super::{fragments::Lab, *};
use crate::setup;

const RULES: &str = r#"{"nftables": [
    {"table": {"family": "inet", "name": "t"}},
    {"set": {"family": "inet", "table": "t", "name": "seen", "type": "ipv4_addr", "flags": "dynamic",
        "stmt": [{"counter": null}]}},
    {"chain": {"family": "inet", "table": "t", "name": "f", "type": "filter", "hook": "forward",
        "prio": 0, "policy": "accept"}},
    {"chain": {"family": "netdev", "table": "t", "name": "none"}},
    {"rule": {"family": "inet", "table": "t", "chain": "f", "expr": [
        {"set": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "set": "@seen"}}]}},
    {"rule": {"family": "inet", "table": "t", "chain": "f", "expr": [
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
            "right": {"prefix": {"addr": "10.0.0.8", "len": 29}}}},
        {"counter": null}, {"drop": null}]}}
]}"#;

fn packet(host: u8) -> Vec<u8> {
    let (src, dst) = ([10, 0, 0, host].into(), [198, 51, 100, 9].into());
    FrameBuilder::new().ipv4(src, dst).udp(1000, 53).build()
}

fn nft(lab: &mut Lab, words: &str, input: Option<&str>) -> String {
    let said = lab.tool("nft", words, input);
    said.out + &said.err
}

#[test]
fn rules_of_nftables_count_on_all_workers_and_change_whole_or_not_at_all() {
    let machine = machine_for(&world());
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("[netfilter]\nnftables = \"{}\"\n", path.display())
    };
    let rules = RULES.replace(
        "    {\"chain\": {\"family\": \"netdev\", \"table\": \"t\", \"name\": \"none\"}},\n",
        "",
    );
    let words = file("rules", &rules);
    let mut lab = Lab::new(&machine, 2, &words);
    let config = Lab::config(&words);
    setup::load_routes(&config, lab.router()).unwrap();
    let passes = |lab: &mut Lab, host: u8| {
        lab.give(&packet(host));
        !lab.take().is_empty()
    };
    assert!((2..8).all(|host| passes(&mut lab, host)));
    assert!((8..16).all(|host| !passes(&mut lab, host)));
    let listed = nft(&mut lab, "-j list ruleset", None);
    assert!(
        listed.contains("{\"counter\":{\"bytes\":224,\"packets\":8}},{\"drop\":null}"),
        "{listed}"
    );
    // What packets have put there is seen by all workers.
    assert!((2..16).all(|host| listed.contains(&format!("\"val\":\"10.0.0.{host}\""))), "{listed}");
    // A text with an error changes nothing.
    let said = nft(&mut lab, "-j -f x", Some(RULES));
    assert!(said.starts_with("nft: x: nftables[3].chain.table: No such file"), "{said}");
    assert!(!passes(&mut lab, 8));
    assert_eq!(nft(&mut lab, "-j -f x", Some(&listed)), "");
    assert!(nft(&mut lab, "-j list ruleset", None).contains("\"packets\":8}},{\"drop\""));
    assert_eq!(nft(&mut lab, "flush ruleset", None), "");
    assert!(passes(&mut lab, 8));
    lab.finish();

    let wrong = file("wrong", RULES);
    let mut lab = Lab::new(&machine, 1, &wrong);
    let config = Lab::config(&wrong);
    let said = setup::load_routes(&config, lab.router()).unwrap_err().to_string();
    assert!(said.contains("nftables[3].chain.table: No such file or directory"), "{said}");
    lab.finish();
}

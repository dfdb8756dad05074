use serde_json::{Value, json};

use super::{Nft, fuzz};

/// The rule files that Linux is asked about.
fn corpus() -> Vec<(String, String)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/corpus/filter/rules");
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let mut texts: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    texts.sort();
    texts
}

/// A text with one rule in a chain that stands somewhere.
fn rule(family: &str, kind: &str, hook: &str, expr: Value) -> String {
    let of = |mut object: Value| {
        object["family"] = json!(family);
        object["table"] = json!("t");
        object
    };
    let set = json!({ "name": "s", "type": "ipv4_addr", "elem": ["10.0.0.1"] });
    let map =
        json!({ "name": "m", "type": "ipv4_addr", "map": "inet_service", "flags": "dynamic" });
    let table = json!({ "flowtable": of(json!({
        "name": "f", "hook": "ingress", "prio": 0, "dev": ["lan", "wan"]
    })) });
    json!({ "nftables": [
        { "table": { "family": family, "name": "t" } },
        { "set": of(set) }, { "map": of(map) }, table,
        { "chain": of(json!({ "name": "own" })) },
        { "chain": of(json!({ "name": "c", "type": kind, "hook": hook, "prio": 0 })) },
        { "rule": of(json!({ "chain": "c", "expr": expr })) },
    ] })
    .to_string()
}

fn forward(expr: Value) -> String {
    rule("inet", "filter", "forward", expr)
}

fn refused(text: &str) -> String {
    Nft::default().load(text, &fuzz::around()).unwrap_err().to_string()
}

fn equal(left: Value, right: Value) -> Value {
    json!({ "match": { "op": "==", "left": left, "right": right } })
}

#[test]
fn what_linux_is_asked_about_lists_itself_and_loads_again() {
    let texts = corpus();
    assert!(texts.len() > 25, "{} files", texts.len());
    for (name, text) in texts.iter().filter(|(name, _)| !name.contains("nft-live-")) {
        let loaded = Nft::default().load(text, &fuzz::around());
        assert!(loaded.is_ok(), "{name}: {loaded:?}");
        fuzz::load(text);
    }
}

#[test]
fn what_is_not_supported_is_refused_with_its_place_and_a_hint() {
    let payload = |protocol: &str, field: &str| json!({ "payload": { "protocol": protocol, "field": field } });
    for (text, place, what) in [
        (
            forward(json!([{ "tproxy": { "port": 1 } }])),
            "expr[0].tproxy",
            "tproxy is not supported",
        ),
        (forward(json!([{ "ct count": { "val": -5 } }])), "ct count.val", "number is missing"),
        (forward(json!([equal(payload("vlan", "id"), json!(5))])), "payload", "vlan cannot stand"),
        (forward(json!([{ "xt": null }])), "expr[0].xt", "xt is not supported"),
        (forward(json!([{ "last": null }])), "expr[0].last", "last is not supported"),
        (forward(json!([{ "fwd": { "dev": "wan" } }])), "expr[0].fwd", "fwd is not supported"),
        (
            forward(json!([equal(json!({ "socket": { "key": "mark" } }), json!(1))])),
            "left.socket",
            "socket",
        ),
        (
            forward(json!([equal(json!({ "osf": { "key": "name" } }), json!("x"))])),
            "left.osf",
            "osf",
        ),
        (
            forward(json!([equal(json!({ "jhash": { "mod": 2 } }), json!(1))])),
            "left.jhash",
            "jhash",
        ),
        (
            forward(json!([equal(payload("tcp", "nothing"), json!(1))])),
            "payload.field",
            "tcp nothing",
        ),
        (
            forward(json!([equal(payload("vxlan", "vni"), json!(1))])),
            "payload.protocol",
            "vxlan vni",
        ),
        (
            forward(json!([equal(json!({ "meta": { "key": "iifkind" } }), json!("x"))])),
            "meta.key",
            "iifkind",
        ),
        (
            forward(json!([equal(json!({ "ct": { "key": "secmark" } }), json!(1))])),
            "ct.key",
            "secmark",
        ),
        (forward(json!([equal(payload("tcp", "dport"), json!(65_536))])), "match.right", "0-65535"),
        (
            forward(json!([equal(payload("ip", "saddr"), json!("10.0.0"))])),
            "match.right",
            "cannot stand here",
        ),
        (
            forward(json!([equal(payload("tcp", "dport"), json!("@nobody"))])),
            "match.right",
            "No such file",
        ),
        (
            forward(json!([equal(payload("tcp", "dport"), json!("@s"))])),
            "match.right",
            "datatype mismatch",
        ),
        (
            forward(json!([
                equal(payload("tcp", "dport"), json!(1)),
                equal(payload("udp", "dport"), json!(1))
            ])),
            "expr[1]",
            "conflicting protocols",
        ),
        (forward(json!([{ "accept": null }, { "drop": null }])), "expr[1]", "terminal statement"),
        (forward(json!([{ "jump": { "target": "nowhere" } }])), "jump.target", "chain \"nowhere\""),
        (forward(json!([{ "masquerade": null }])), "expr[0].masquerade", "masquerade cannot stand"),
        (
            forward(json!([{ "mangle": { "key": { "ct": { "key": "zone" } }, "value": 5 } }])),
            "expr[0].mangle",
            "ct zone set cannot stand",
        ),
        (
            forward(json!([{ "mangle": { "key": { "meta": { "key": "nftrace" } }, "value": 1 } }])),
            "mangle.key.meta",
            "nftrace cannot be set",
        ),
        (
            forward(
                json!([{ "set": { "op": "add", "elem": payload("ip", "saddr"), "set": "@nobody" } }]),
            ),
            "set.set",
            "No such file",
        ),
        (forward(json!([{ "limit": { "rate": 0 } }])), "expr[0].limit", "out of range"),
        (forward(json!([{ "counter": "nobody" }])), "expr[0].counter", "No such file"),
        (
            forward(json!([{ "flow": { "op": "add", "flowtable": "@nobody" } }])),
            "flow.flowtable",
            "No such",
        ),
        (forward(json!([{ "log": { "level": "loud" } }])), "log.level", "no level"),
        (
            forward(json!([{ "reject": { "type": "icmp", "expr": "never" } }])),
            "reject.expr",
            "no code",
        ),
        (forward(json!([{ "counter": null, "drop": null }])), "expr[0]", "is no statement"),
        (
            forward(json!([{ "counter": { "packets": 1, "colour": 2 } }])),
            "counter.colour",
            "not supported here",
        ),
        (rule("ip", "nat", "forward", json!([])), "chain", "nothing is translated there"),
        (rule("ip", "route", "input", json!([])), "chain", "type route"),
        (rule("ip", "filter", "egress", json!([])), "chain", "no hook"),
        (rule("bridge", "filter", "forward", json!([])), "table.family", "family \"bridge\""),
        (rule("arp", "filter", "input", json!([])), "table.family", "family \"arp\""),
        (
            rule("netdev", "filter", "ingress", json!([])),
            "chain",
            "interface of the chain is missing",
        ),
        (
            rule(
                "ip6",
                "filter",
                "forward",
                json!([equal(payload("ip", "saddr"), json!("10.0.0.1"))]),
            ),
            "match.left",
            "conflicting protocols",
        ),
    ] {
        let error = refused(&text);
        assert!(error.contains(place) && error.contains(what), "{place}, {what}: {error}");
        assert!(error.starts_with("nftables["), "{error}");
        assert!(error.contains("\nhint: ") && !error.ends_with("hint: "), "{error}");
    }
}

#[test]
fn an_error_names_the_rule_by_its_handle() {
    let error = refused(&forward(json!([{ "counter": null }, { "xt": null }])));
    let expected = "nftables[6].rule.expr[1].xt: xt is not supported (rule 6 of inet t c)\nhint: ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn texts_that_are_none_are_refused() {
    for (text, what) in [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "object is missing"),
        ("{\"nftables\": 1}", "list is missing"),
        ("{\"nftables\": [1]}", "missing here"),
        ("{\"nftables\": [{\"list\": {\"ruleset\": null}}]}", "list is not supported"),
        ("{\"nftables\": [{\"metainfo\": {\"json_schema_version\": 2}}]}", "later form"),
        ("{\"nftables\": [{\"add\": {\"secmark\": {}}}]}", "secmark is not supported"),
        ("{\"nftables\": [{\"ct timeout\": {}}]}", "ct timeout is not supported"),
    ] {
        assert!(refused(text).contains(what), "{text}: {}", refused(text));
    }
}

#[test]
fn chains_in_a_circle_or_too_deep_are_refused() {
    let text = |chains: u32, last: Value| {
        let mut all = vec![json!({ "table": { "family": "ip", "name": "t" } })];
        let name = |at: u32| format!("c{at}");
        all.extend(
            (0..chains)
                .map(|at| json!({ "chain": { "family": "ip", "table": "t", "name": name(at) } })),
        );
        all.extend((0..chains - 1).map(|at| {
            json!({ "rule": { "family": "ip", "table": "t", "chain": name(at),
                "expr": [{ "jump": { "target": name(at + 1) } }] } })
        }));
        all.push(json!({ "rule": {
            "family": "ip", "table": "t", "chain": name(chains - 1), "expr": [last]
        } }));
        json!({ "nftables": all }).to_string()
    };
    let fine = Nft::default().load(&text(17, json!({ "accept": null })), &fuzz::around());
    assert!(fine.is_ok(), "{fine:?}");
    assert!(refused(&text(18, json!({ "accept": null }))).contains("Too many links"));
    let circle = refused(&text(3, json!({ "goto": { "target": "c0" } })));
    assert!(circle.contains("Too many levels of symbolic links"), "{circle}");
}

#[test]
fn an_error_leaves_the_rules_as_they_were() {
    let around = fuzz::around();
    let mut nft = Nft::default();
    nft.load(&forward(json!([{ "counter": { "packets": 7, "bytes": 700 } }])), &around).unwrap();
    let (before, program) = (nft.list(&around), nft.program().cloned().unwrap());
    for text in [
        forward(json!([{ "xt": null }])),
        json!({ "nftables": [
            { "flush": { "ruleset": null } },
            { "add": { "table": { "family": "ip", "name": "other" } } },
            { "add": { "rule": { "family": "ip", "table": "other", "chain": "c", "expr": [] } } },
        ] })
        .to_string(),
    ] {
        let said = nft.command(&["-j", "-f", "x"].map(str::to_owned), Some(&text), &around);
        assert!(said.status == 1 && said.err.starts_with("nft: x: nftables["), "{said:?}");
        assert_eq!(nft.list(&around), before);
        assert!(std::sync::Arc::ptr_eq(nft.program().unwrap(), &program));
    }
}

#[test]
fn commands_change_what_is_there_and_a_listing_replaces_it() {
    let around = fuzz::around();
    let mut nft = Nft::default();
    nft.load(&forward(json!([{ "counter": { "packets": 7, "bytes": 700 } }])), &around).unwrap();
    let in_table = |mut object: Value| {
        object["family"] = json!("inet");
        object["table"] = json!("t");
        object
    };
    let command = |verb: &str, kind: &str, object: Value| {
        json!({ "nftables": [{ verb: { kind: in_table(object) } }] }).to_string()
    };
    let count = |nft: &Nft, needle: &str| nft.list(&around).matches(needle).count();
    nft.load(
        &command("add", "rule", json!({ "chain": "c", "expr": [{ "accept": null }] })),
        &around,
    )
    .unwrap();
    // What counted goes on counting.
    assert_eq!((count(&nft, "\"rule\":"), count(&nft, "\"packets\":7")), (2, 1));
    nft.load(
        &command("insert", "rule", json!({ "chain": "c", "expr": [{ "drop": null }] })),
        &around,
    )
    .unwrap();
    assert!(nft.list(&around).find("drop") < nft.list(&around).find("\"packets\":7"));
    nft.load(&command("delete", "rule", json!({ "chain": "c", "handle": 6 })), &around).unwrap();
    assert_eq!(count(&nft, "\"packets\":7"), 0);
    let replaced = json!({ "chain": "c", "handle": 7, "expr": [{ "counter": null }] });
    nft.load(&command("replace", "rule", replaced), &around).unwrap();
    assert_eq!(count(&nft, "accept\":null"), 0);
    nft.load(&command("add", "element", json!({ "name": "s", "elem": ["10.0.0.2"] })), &around)
        .unwrap();
    nft.load(&command("delete", "element", json!({ "name": "s", "elem": ["10.0.0.1"] })), &around)
        .unwrap();
    assert_eq!((count(&nft, "10.0.0.2"), count(&nft, "10.0.0.1")), (1, 0));
    // Elements that packets may change are stated, listed and taken away all the same.
    let pair = json!([["10.0.0.9", 99]]);
    nft.load(&command("add", "element", json!({ "name": "m", "elem": pair })), &around).unwrap();
    assert_eq!(count(&nft, "[\"10.0.0.9\",99]"), 1);
    nft.load(&command("delete", "element", json!({ "name": "m", "elem": pair })), &around).unwrap();
    assert_eq!(count(&nft, "10.0.0.9"), 0);
    for (verb, kind, object, what) in [
        ("create", "chain", json!({ "name": "c" }), "File exists"),
        ("delete", "chain", json!({ "name": "c" }), "busy"),
        ("delete", "set", json!({ "name": "nobody" }), "No such file"),
        ("delete", "rule", json!({ "chain": "c", "handle": 99 }), "No such file"),
        ("delete", "element", json!({ "name": "s", "elem": ["10.9.9.9"] }), "No such file"),
    ] {
        let error = nft.load(&command(verb, kind, object), &around).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    nft.load(&rule("ip", "filter", "input", json!([])), &around).unwrap();
    assert_eq!((count(&nft, "\"family\":\"inet\""), count(&nft, "\"hook\":\"input\"")), (0, 1));
    let said = nft.command(&["flush", "ruleset"].map(str::to_owned), None, &around);
    assert!(said.status == 0 && nft.program().is_none());
}

#[test]
fn words_that_are_no_command_are_refused() {
    let mut nft = Nft::default();
    for words in [
        &["list", "ruleset"][..],
        &["-f", "x"],
        &["add", "table", "inet", "t"],
        &["-x"],
        &["-j", "list", "tables"],
    ] {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let said = nft.command(&words, Some("{}"), &fuzz::around());
        assert!(said.status == 1 && said.err.contains("\nhint: "), "{said:?}");
    }
}

#[test]
fn an_element_that_is_none_is_named_by_its_own_place() {
    let around = fuzz::around();
    let mut nft = Nft::default();
    nft.load(&forward(json!([])), &around).unwrap();
    for (set, elem) in
        [("s", json!(["10.0.0.2", "nobody"])), ("m", json!([["10.0.0.2", 5], ["x", 1]]))]
    {
        let add = json!({ "nftables": [{ "add": { "element": {
            "family": "inet", "table": "t", "name": set, "elem": elem
        } } }] });
        let error = nft.load(&add.to_string(), &around).unwrap_err().to_string();
        assert!(error.starts_with("nftables[0].add.element.elem[1]: "), "{error}");
        assert!(error.contains(&format!(" {set} of inet t)")), "{error}");
    }
}

#[test]
fn types_may_be_those_of_an_expression() {
    let of = json!({ "typeof": { "concat": [
        { "payload": { "protocol": "ip", "field": "saddr" } }, { "meta": { "key": "iifname" } }
    ] } });
    let text = json!({ "nftables": [
        { "table": { "family": "inet", "name": "t" } },
        { "set": { "family": "inet", "table": "t", "name": "s", "type": of,
            "elem": [{ "concat": ["10.0.0.1", "lan"] }] } },
        { "counter": { "family": "inet", "table": "t", "name": "c", "comment": "mine" } },
    ] });
    fuzz::load(&text.to_string());
    let mut nft = Nft::default();
    nft.load(&text.to_string(), &fuzz::around()).unwrap();
    assert!(nft.list(&fuzz::around()).contains("\"comment\":\"mine\""));
}

#[test]
fn a_flowtable_is_a_hint() {
    let expr = json!([{ "flow": { "op": "add", "flowtable": "@f" } }, { "accept": null }]);
    fuzz::load(&forward(expr));
}

#[test]
fn elements_of_maps_are_learnt_from_packets() {
    let payload = |protocol: &str, field: &str| json!({ "payload": { "protocol": protocol, "field": field } });
    fuzz::load(&forward(json!([{ "map": {
        "op": "update", "elem": payload("ip", "saddr"), "data": payload("tcp", "sport"), "map": "@m"
    } }])));
}

/// The places of all values in a text, in order.
fn places(value: &Value, at: &mut Vec<String>, all: &mut Vec<String>) {
    all.push(at.concat());
    let mut below = |key: String, value: &Value| {
        at.push(format!("/{key}"));
        places(value, at, all);
        at.pop();
    };
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(key, value)| below(key.to_string(), value));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| below(key.clone(), value)),
        _ => {}
    }
}

#[test]
fn any_text_is_taken_or_refused() {
    let texts: Vec<Value> =
        corpus().iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
    bolero::check!().with_type::<(u8, Vec<(u16, u16, u8)>)>().for_each(|(which, changes)| {
        let mut text = texts[usize::from(*which) % texts.len()].clone();
        for (from, to, how) in changes.iter().take(8) {
            let mut all = Vec::new();
            places(&text, &mut Vec::new(), &mut all);
            let place = |at: &u16| all[usize::from(*at) % all.len()].clone();
            let new = match how % 8 {
                0 => Value::Null,
                1 => json!(u64::from(*from) << (how & 31)),
                2 => json!("*"),
                3 => json!([]),
                4 => json!(-1),
                _ => text.pointer(&place(from)).cloned().unwrap_or_default(),
            };
            // Texts do not grow beyond all bounds.
            if new.to_string().len() < 4096
                && let Some(old) = text.pointer_mut(&place(to))
            {
                *old = new;
            }
        }
        fuzz::load(&text.to_string());
    });
}

#[test]
fn any_bytes_are_taken_or_refused() {
    bolero::check!().for_each(fuzz::bytes);
}

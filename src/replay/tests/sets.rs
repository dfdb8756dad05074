//! Sets of the configuration, which rules ask about and packets change.

use super::{fragments::Lab, *};
use crate::setup;

const RULES: &str = "*filter\n:FORWARD ACCEPT [0:0]\n\
    -A FORWARD -m set --match-set hosts src -j DROP\n\
    -A FORWARD -p udp -j SET --add-set seen src,dst\nCOMMIT\n";
const SETS: &str = "create hosts hash:net timeout 600\nadd hosts 10.0.0.8/29\n\
    create seen hash:ip,port\n";

fn packet(host: u8) -> Vec<u8> {
    let (src, dst) = ([10, 0, 0, host].into(), [198, 51, 100, 9].into());
    FrameBuilder::new().ipv4(src, dst).udp(1000, 53).build()
}

fn ipset(lab: &mut Lab, words: &str) -> String {
    let said = lab.tool("ipset", words, None);
    said.out + &said.err
}

#[test]
fn sets_of_the_configuration_decide_and_are_changed_by_packets_and_by_command() {
    let machine = machine_for(&world());
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (sets, rules) = (file("sets", SETS), file("rules", RULES));
    let words = format!("[netfilter]\nipset = \"{sets}\"\niptables = \"{rules}\"\n");
    let mut lab = Lab::new(&machine, 2, &words);
    let config = Lab::config(&words);
    setup::load_routes(&config, lab.router()).unwrap();
    let passes = |lab: &mut Lab, host: u8| {
        lab.give(&packet(host));
        !lab.take().is_empty()
    };
    assert!(passes(&mut lab, 7) && !passes(&mut lab, 9));
    assert!(ipset(&mut lab, "save seen").ends_with("add seen 10.0.0.7,udp:53\n"));
    // The next packet meets what a command has changed.
    assert_eq!(ipset(&mut lab, "add hosts 10.0.0.7"), "");
    assert!(!passes(&mut lab, 7));
    assert_eq!(ipset(&mut lab, "del hosts 10.0.0.8/29"), "");
    assert!(passes(&mut lab, 9));
    let busy = "ipset v7.17: Set cannot be destroyed: it is in use by a kernel component\n";
    assert_eq!(ipset(&mut lab, "destroy hosts"), busy);
    lab.wait(601_000_000_000);
    assert!(passes(&mut lab, 7));
    lab.finish();

    let wrong = format!("[netfilter]\nipset = \"{}\"\n", file("wrong", "add none 10.0.0.1\n"));
    let mut lab = Lab::new(&machine, 1, &wrong);
    let config = Lab::config(&wrong);
    let said = setup::load_routes(&config, lab.router()).unwrap_err().to_string();
    assert!(said.contains("Error in line 1: The set with the given name does not exist"), "{said}");
    lab.finish();
}

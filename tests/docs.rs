//! What README prints works when it is typed.

use std::{fs, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Lines of the shell blocks of a document.
fn commands(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).expect("a page");
    let blocks = text.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    lines.map(str::to_owned).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Lines that are run elsewhere: `scripts/test` runs this very file, and
/// runs the other two with it.
const ELSEWHERE: &[&str] = &["scripts/run", "scripts/test", "scripts/lab"];

#[test]
fn every_command_of_the_readme_is_run_by_a_test() {
    let directory = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(root().join("config"), directory.path().join("config"))
        .expect("a link");
    for line in commands("README.md") {
        if ELSEWHERE.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        let mut words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words.remove(0), "wagonway", "{line}");
        // What needs a server's cards or a running router is held to its grammar here; the stories
        // of tests/scenario and the tests of the desk run the same words.
        let offline = match words[0] {
            "run" => {
                words = vec!["check", words[2]];
                true
            }
            "show" | "ip" | "iptables" | "conntrack" | "trace" | "ping" | "traceroute"
            | "arping" => false,
            _ => true,
        };
        if words.contains(&"-batch") {
            fs::write(directory.path().join("routes.txt"), "route show\n").expect("write");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_wagonway"))
            .args(&words)
            .current_dir(directory.path())
            .env("XDG_RUNTIME_DIR", directory.path())
            .output()
            .expect("run wagonway");
        let error = String::from_utf8_lossy(&output.stderr);
        if offline {
            assert!(output.status.success(), "{line}: {error}");
        } else {
            assert!(error.contains("no router answers"), "{line}: {error}");
        }
    }
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let pages = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/configuration.md",
        "docs/iptables.md",
        "docs/netfilter.md",
        "docs/performance.md",
        "docs/behaviour/README.md",
    ];
    for page in pages {
        let path = root().join(page);
        let text = fs::read_to_string(&path).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            let to = path.parent().expect("a directory").join(target);
            assert!(to.exists(), "{page}: {target} is not there");
        }
    }
}

#[test]
fn every_script_is_named_where_it_should_be() {
    for name in ["scripts/run", "scripts/test", "scripts/lab", "scripts/check"] {
        let told = ["README.md", "CONTRIBUTING.md"]
            .iter()
            .any(|page| fs::read_to_string(root().join(page)).expect("a page").contains(name));
        assert!(told && root().join(name).exists(), "{name}");
    }
}

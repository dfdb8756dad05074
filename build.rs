//! Stamps the version into the binary and says plainly when DPDK is not there to build against.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A new commit or tag changes the description; a source tree without git has neither file.
    for file in [".git/HEAD", ".git/logs/HEAD", ".git/packed-refs", ".git/refs/tags"] {
        if Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    println!("cargo:rerun-if-env-changed=WAGONWAY_VERSION");
    // Drivers are loaded at run time, and one of them must meet dpdk-sys's setsockopt.
    println!("cargo:rustc-link-arg=-Wl,--export-dynamic-symbol=setsockopt");

    let version = std::env::var("WAGONWAY_VERSION")
        .ok()
        .or_else(described)
        .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    println!("cargo:rustc-env=WAGONWAY_VERSION={version}");

    match std::env::var("DEP_DPDK_VERSION") {
        Ok(dpdk) => println!("cargo:rustc-env=WAGONWAY_DPDK_VERSION={dpdk}"),
        Err(_) => {
            eprintln!(
                "\nWagonway needs DPDK 22.11 or newer to build, and dpdk-sys found none.\n\
                 Install it: apt install libdpdk-dev pkg-config clang libclang-dev\n"
            );
            std::process::exit(1);
        }
    }
}

/// The package's version with the commit it was built from, such as `0.1.0 (3f2a9c1-dirty)`.
fn described() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--tags"])
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let commit = text.trim();
    (output.status.success() && !commit.is_empty())
        .then(|| format!("{} ({commit})", env!("CARGO_PKG_VERSION")))
}

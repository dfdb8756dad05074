//! Not running a test, loudly.

use std::fmt::Write as _;
use std::path::Path;

/// Whether this process may create namespaces and network interfaces.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says that `test` did not run and why, and leaves a marker that `scripts/test` reports at its end.
pub(crate) fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
    let mut line = String::new();
    writeln!(line, "{test}: {reason}").expect("write to a string");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let noted = std::fs::create_dir_all(&directory)
        .and_then(|()| std::fs::write(directory.join(test.replace([':', '/'], "_")), line));
    if let Err(error) = noted {
        // The superuser may own that directory from an earlier run; the line above was printed.
        eprintln!("cannot note it in {}: {error}", directory.display());
    }
}

/// Returns from the test, saying so, unless it runs as root.
macro_rules! need_root {
    ($test:expr) => {
        if !$crate::common::skip::is_root() {
            $crate::common::skip::skip($test, "needs root for namespaces and TAP interfaces");
            return;
        }
    };
}
pub(crate) use need_root;

//! What must hold of any bytes that are read as `ipset restore` reads them; shared by tests and by `fuzz/`.

use super::{Around, Book, Said};

/// Reads bytes as a file of sets. What was taken is saved, restored and saved again to the same text.
pub fn sets(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let around = Around { now: 1, uses: &|_| 0, services: |_, _| None };
    let words = |text: &str| vec![text.to_owned()];
    let restore = |text: &str| {
        let mut book = Book::default();
        let said = book.command(&words("restore"), Some(text), &around);
        (book, said)
    };
    // Long ranges are right, and take long.
    let long = |line: &str| line.contains(['-', '/']) && line.contains("add");
    let text: Vec<&str> = text.lines().filter(|line| !long(line)).collect();
    let (mut book, said) = restore(&text.join("\n"));
    assert!(said.status == 0 || !said.err.is_empty());
    let Said { out, .. } = book.command(&words("save"), None, &around);
    let (mut again, said) = restore(&out);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{out}");
    assert_eq!(again.command(&words("save"), None, &around).out, out);
    let _ = (book.sets(), again.sets());
}

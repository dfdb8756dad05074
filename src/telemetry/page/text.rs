//! Words and numbers as they stand in the page.

/// Text that means nothing to a browser.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // What HTML has no sign for.
            c if c.is_control() && c != '\n' && c != '\t' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A number with no more digits than it needs: `0.5`, `20`, `1 000`.
pub(super) fn short(number: f64) -> String {
    if !number.is_finite() {
        return "-".into();
    }
    if number >= 100.0 {
        return crate::telemetry::words::grouped(number.round() as u64);
    }
    // Three digits that count.
    let digits = match number.abs() {
        n if n >= 10.0 => 1,
        n if n >= 1.0 || n == 0.0 => 2,
        n => (2.0 - n.log10().floor()).min(12.0) as usize,
    };
    let text = format!("{number:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_what_is_written_can_end_a_tag_or_a_quote() {
        assert_eq!(
            escaped("<b a=\"1\" c='2'>&\u{1}"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;\u{fffd}"
        );
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (number, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (1e-5, "0.00001"),
            (2.0, "2"),
            (2.625, "2.62"),
            (31.5, "31.5"),
            (1000.0, "1 000"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(short(number), text);
        }
    }
}

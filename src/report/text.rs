//! Numbers and sentences for people.

pub use crate::units::thousands;

/// Text from outside as one line that cannot steer a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `A` to `Z`, then `A2` and so on.
pub fn letter(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26 + 1) }
}

/// Columns that a text takes at most; characters beyond ASCII may be wide and count twice.
pub fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

/// `text` in at most `width` columns; a longer one ends with two points.
pub fn shorten(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut short = head(text, width.saturating_sub(2)).to_owned();
    short.push_str(if width >= 2 { ".." } else { "" });
    short
}

/// The longest beginning of `text` that takes at most `width` columns.
fn head(text: &str, width: usize) -> &str {
    let mut taken = 0;
    for (index, c) in text.char_indices() {
        taken += char_columns(c);
        if taken > width {
            return &text[..index];
        }
    }
    text
}

/// `text` in lines of at most `width` columns, broken between words where that is possible. The
/// first line begins with `first`, the others with as many spaces.
pub fn wrap(first: &str, text: &str, width: usize) -> Vec<String> {
    let first = head(first, width / 2);
    let indent = columns(first);
    let room = width.saturating_sub(indent).max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        while columns(word) > room {
            let part = head(word, room);
            lines.push(part.to_owned());
            word = &word[part.len()..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    let start = |index| if index == 0 { first.to_owned() } else { " ".repeat(indent) };
    lines.iter().enumerate().map(|(index, line)| start(index) + line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_separators() {
        for (number, text) in
            [(0i64, "0"), (999, "999"), (1204, "1,204"), (-1_234_567, "-1,234,567")]
        {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(shorten("backlog=5", 9), "backlog=5");
        assert_eq!(shorten("backlog=1024", 9), "backlog..");
        assert_eq!(plain("a\x1b[31mb\n"), "a [31mb ");
    }

    #[test]
    fn sentences_are_wrapped_between_words() {
        assert_eq!(wrap("- ", "one two three", 10), ["- one two", "  three"]);
        assert_eq!(wrap("- ", "", 10), ["- "]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_long(first in "\\PC{0,90}", text in "\\PC{0,300}", width in 40usize..=80) {
            for line in wrap(&first, &text, width) {
                prop_assert!(columns(&line) <= width, "{line:?}");
            }
            prop_assert!(columns(&shorten(&text, width)) <= width);
        }
    }
}

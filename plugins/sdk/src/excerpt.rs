//! The lines around a place in a template, with a caret under it.

use std::fmt::Write;

/// How many characters of a line are shown at most.
const WIDTH: usize = 100;

/// The line (from 1) and the column (from 1, in characters) of the byte `offset` in `source`.
pub(crate) fn position(source: &str, offset: usize) -> (u32, u32) {
    let offset = (0..=offset.min(source.len())).rev().find(|at| source.is_char_boundary(*at));
    let before = &source[..offset.unwrap_or_default()];
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[start..].chars().count();
    (number(line), number(column))
}

/// A number from 1 for an index from 0.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// The line, the one before and the one after, with a caret under the column. None if `source` has no
/// such line.
pub(crate) fn excerpt(source: &str, line: u32, column: u32) -> Option<String> {
    let line = (line as usize).checked_sub(1)?;
    let column = (column as usize).saturating_sub(1);
    let first = line.saturating_sub(1);
    source.split('\n').nth(line)?;
    // A long line is shown from a little before the place.
    let skip = if column >= WIDTH { column - WIDTH / 4 } else { 0 };
    let digits = (line + 2).to_string().len();

    let mut excerpt = String::new();
    for (number, text) in source.split('\n').enumerate().take(line + 2).skip(first) {
        let text = text.strip_suffix('\r').unwrap_or(text);
        // Writing into a string cannot fail.
        let _ = write!(excerpt, "{:digits$} | ", number + 1);
        shown(&mut excerpt, text, skip);
        if number == line {
            let _ = write!(excerpt, "{:digits$} | ", "");
            excerpt.extend((skip > 0).then_some(' '));
            // Tabs stay tabs, so that the caret stands under its character.
            let lead = text.chars().chain(std::iter::repeat(' ')).take(column).skip(skip);
            excerpt.extend(lead.map(|char| if char == '\t' { '\t' } else { ' ' }));
            excerpt.push_str("^\n");
        }
    }
    excerpt.truncate(excerpt.trim_end().len());
    Some(excerpt)
}

/// Writes one line, or the part of it that is worth showing.
fn shown(excerpt: &mut String, line: &str, skip: usize) {
    excerpt.extend((skip > 0).then_some('…'));
    let mut rest = line.chars().skip(skip);
    excerpt.extend(rest.by_ref().take(WIDTH));
    excerpt.extend(rest.next().map(|_| '…'));
    excerpt.truncate(excerpt.trim_end_matches([' ', '\t']).len());
    excerpt.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let source = "één\nzwei {x}";
        assert_eq!(position(source, 0), (1, 1));
        assert_eq!(position(source, 2), (1, 2));
        assert_eq!(position(source, 1), (1, 1), "inside of a character");
        assert_eq!(position(source, source.find('{').unwrap()), (2, 6));
        assert_eq!(position(source, 1_000), (2, 9));
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        assert_eq!(
            excerpt("one\ntwo {x\nthree\nfour", 2, 5).unwrap(),
            "1 | one\n2 | two {x\n  |     ^\n3 | three",
        );
        assert_eq!(excerpt("only", 1, 5).unwrap(), "1 | only\n  |     ^");
        assert_eq!(excerpt("\tx\r\n", 1, 2).unwrap(), "1 | \tx\n  | \t^\n2 |");
        assert_eq!(excerpt("", 1, 1).unwrap(), "1 |\n  | ^");
        assert_eq!(excerpt("one", 2, 1), None);
        assert_eq!(excerpt("one", 0, 1), None);
    }

    #[test]
    fn long_lines_are_cut() {
        let line = "x".repeat(500);
        let shown = excerpt(&line, 1, 300).unwrap();
        let (text, caret) = shown.split_once('\n').unwrap();
        assert_eq!(text.chars().count(), "1 | ".len() + 1 + WIDTH + 1);
        assert_eq!(caret.chars().count(), "1 | ".len() + 1 + WIDTH / 4 + 1);
    }
}

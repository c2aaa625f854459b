//! Places in a template: line, column and the excerpt with a caret.

use std::{fmt::Write, ops::Range};

/// How many characters of a line an excerpt shows at most.
const WIDTH: usize = 100;

/// A place in a template, ready to be shown.
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: u32,
    /// From 1, in characters.
    pub(crate) column: u32,
    /// The line, the one before and the one after, with carets under the place.
    pub(crate) excerpt: String,
}

/// The place of the bytes `range` in `source`.
pub(crate) fn place(source: &str, range: Range<usize>) -> Place {
    let start = floor(source, range.start);
    let end = floor(source, range.end).max(start);
    let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let line = source[..start].bytes().filter(|byte| *byte == b'\n').count();
    let column = source[line_start..start].chars().count();
    let marked = source[start..end].lines().next().unwrap_or_default().chars().count();

    let mut excerpt = String::new();
    let first = line.saturating_sub(1);
    let before = source[..line_start.saturating_sub(1)].rfind('\n').map_or(0, |at| at + 1);
    // A long line is shown from a little before the place.
    let skip = if column + marked.min(WIDTH / 2) > WIDTH { column - WIDTH / 4 } else { 0 };
    let text = &source[if line == 0 { 0 } else { before }..];
    let digits = (line + 2).to_string().len();
    for (at, text) in text.split('\n').enumerate().take(if line == 0 { 2 } else { 3 }) {
        let number = first + at;
        let text = text.strip_suffix('\r').unwrap_or(text);
        let _ = write!(excerpt, "{:digits$} | ", number + 1);
        shown(&mut excerpt, text, skip);
        if number == line {
            let _ = write!(excerpt, "{:digits$} | ", "");
            if skip > 0 {
                excerpt.push(' ');
            }
            // Tabs stay tabs, so that the caret stands under its character.
            let lead = text.chars().skip(skip).take(column - skip);
            excerpt.extend(lead.map(|c| if c == '\t' { '\t' } else { ' ' }));
            let carets = marked.clamp(1, (WIDTH + skip).saturating_sub(column).max(1));
            excerpt.extend(std::iter::repeat_n('^', carets));
            excerpt.push('\n');
        }
    }
    excerpt.truncate(excerpt.trim_end().len());
    Place { line: line as u32 + 1, column: column as u32 + 1, excerpt }
}

/// Writes one line, or the part of it that is worth showing.
fn shown(excerpt: &mut String, line: &str, skip: usize) {
    if skip > 0 {
        excerpt.push('…');
    }
    let mut rest = line.chars().skip(skip);
    excerpt.extend(rest.by_ref().take(WIDTH));
    if rest.next().is_some() {
        excerpt.push('…');
    }
    excerpt.truncate(excerpt.trim_end_matches([' ', '\t']).len());
    excerpt.push('\n');
}

/// The largest boundary between characters that is not after `at`.
fn floor(source: &str, at: usize) -> usize {
    (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0)
}

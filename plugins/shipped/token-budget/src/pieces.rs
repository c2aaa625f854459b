//! Texts in pieces that can be counted one by one.

/// How long a piece is, in bytes, if the text can be cut there.
const PIECE: usize = 4 * 1024;

/// The text in pieces whose tokens are together those of the text.
///
/// Both encodings divide a text before they look for tokens, and in both of them nothing spans
///
/// - a line feed and the letter or digit after it, nor
/// - what is not white space and the single space after it that a letter follows:
///
/// there a text may be cut.
pub(crate) fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(cut(text));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Where the first piece ends.
fn cut(text: &str) -> usize {
    let bytes = text.as_bytes();
    // Only ASCII is looked at, so that a place is never inside of a character.
    let at = bytes.windows(3).skip(PIECE).position(|window| match window {
        [before, b' ', after] => before.is_ascii_graphic() && after.is_ascii_alphabetic(),
        [b'\n', after, _] => after.is_ascii_alphanumeric(),
        _ => false,
    });
    at.map_or(text.len(), |at| PIECE + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_they_may_be() {
        let line = "0123456 ".repeat(PIECE / 8);
        let cuts = |text: &str| pieces(text).map(str::len).collect::<Vec<_>>();
        assert_eq!(cuts(""), [0; 0]);
        assert_eq!(cuts(&line), [PIECE]);
        assert_eq!(cuts(&format!("{line}a b cd")), [PIECE + 1, 5]);
        assert_eq!(cuts(&format!("{line}\n 1\n23")), [PIECE + 4, 2]);
        assert_eq!(cuts(&"日本".repeat(PIECE)), [PIECE * 6]);
    }
}

//! `html`, `js` and `urlquery`.

use crate::{
    buffer::{Buffer, Full},
    format::{is_print, next_char},
};

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The two digits of `byte`.
fn upper_hex(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|digit| UPPER_HEX.get(usize::from(digit)).copied().unwrap_or(b'0'))
}

/// For the text of an HTML document and its attributes.
pub(crate) fn html(bytes: &[u8], to: &mut Buffer) -> Result<(), Full> {
    for chunk in bytes.split_inclusive(|byte| html_entity(*byte).is_some()) {
        match chunk.split_last() {
            Some((last, before)) if html_entity(*last).is_some() => {
                to.write(before)?;
                to.write_str(html_entity(*last).unwrap_or_default())?;
            }
            _ => to.write(chunk)?,
        }
    }
    Ok(())
}

fn html_entity(byte: u8) -> Option<&'static str> {
    Some(match byte {
        0 => "\u{fffd}",
        b'"' => "&#34;",
        b'\'' => "&#39;",
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        _ => return None,
    })
}

/// For a string in JavaScript.
pub(crate) fn js(bytes: &[u8], to: &mut Buffer) -> Result<(), Full> {
    let mut rest = bytes;
    while let Some((c, after)) = next_char(rest) {
        let written = rest.get(..rest.len() - after.len()).unwrap_or_default();
        rest = after;
        let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
        match c {
            '\\' => to.write_str("\\\\")?,
            '\'' => to.write_str("\\'")?,
            '"' => to.write_str("\\\"")?,
            '<' => to.write_str("\\u003C")?,
            '>' => to.write_str("\\u003E")?,
            '&' => to.write_str("\\u0026")?,
            '=' => to.write_str("\\u003D")?,
            _ if c < ' ' || !c.is_ascii() && !is_print(c) => {
                to.write_str(&format!("\\u{:04X}", u32::from(c)))?;
            }
            _ => to.write(written)?,
        }
    }
    Ok(())
}

/// For the query of a URL.
pub(crate) fn url_query(bytes: &[u8], to: &mut Buffer) -> Result<(), Full> {
    for &byte in bytes {
        match byte {
            b' ' => to.write(b"+")?,
            b'-' | b'_' | b'.' | b'~' => to.write(&[byte])?,
            _ if byte.is_ascii_alphanumeric() => to.write(&[byte])?,
            _ => {
                to.write(b"%")?;
                to.write(&upper_hex(byte))?;
            }
        }
    }
    Ok(())
}

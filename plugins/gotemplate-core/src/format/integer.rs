//! Whole numbers, and bytes in hexadecimal.

use crate::buffer::{Buffer, Full};

use super::{Flags, printer::pad, quote::is_print};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Binary,
    Octal,
    /// With `0o` before it, always.
    PrefixedOctal,
    Decimal,
    Hex(HexCase),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HexCase {
    Lower,
    Upper,
}

/// Writes a number.
pub(super) fn write(to: &mut Buffer, flags: &Flags, value: i64, base: Base) -> Result<(), Full> {
    to.has_room(flags.precision.unwrap_or(0).max(flags.width.unwrap_or(0)))?;
    let unpadded = Flags { zero: false, ..*flags };
    if value == 0 && flags.precision == Some(0) {
        // As in C: no digits at all.
        return to.fill(b' ', flags.width.unwrap_or(0));
    }
    let magnitude = value.unsigned_abs();
    let digits = match base {
        Base::Binary => format!("{magnitude:b}"),
        Base::Octal | Base::PrefixedOctal => format!("{magnitude:o}"),
        Base::Decimal => magnitude.to_string(),
        Base::Hex(HexCase::Lower) => format!("{magnitude:x}"),
        Base::Hex(HexCase::Upper) => format!("{magnitude:X}"),
    };
    let has_sign = value < 0 || flags.plus || flags.space;
    let wanted = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero => width.saturating_sub(usize::from(has_sign)),
        (None, _) => 0,
    };
    let zeros = wanted.saturating_sub(digits.len());
    let begins_with_zero = zeros > 0 || digits.starts_with('0');
    let mut text = String::with_capacity(digits.len() + zeros + 4);
    if value < 0 {
        text.push('-');
    } else if flags.plus {
        text.push('+');
    } else if flags.space {
        text.push(' ');
    }
    if base == Base::PrefixedOctal {
        text.push_str("0o");
    }
    if flags.sharp {
        text.push_str(match base {
            Base::Binary => "0b",
            Base::Octal | Base::PrefixedOctal if !begins_with_zero => "0",
            Base::Octal | Base::PrefixedOctal | Base::Decimal => "",
            Base::Hex(HexCase::Lower) => "0x",
            Base::Hex(HexCase::Upper) => "0X",
        });
    }
    text.push_str(&"0".repeat(zeros));
    text.push_str(&digits);
    pad(to, &unpadded, text.as_bytes())
}

/// `%U`: `U+0041`, and with `#` the character itself.
pub(super) fn write_unicode(to: &mut Buffer, flags: &Flags, value: i64) -> Result<(), Full> {
    to.has_room(flags.precision.unwrap_or(0))?;
    let digits = format!("{:X}", value.cast_unsigned());
    let zeros = flags.precision.unwrap_or(0).max(4).saturating_sub(digits.len());
    let mut text = String::from("U+");
    text.push_str(&"0".repeat(zeros));
    text.push_str(&digits);
    let c = u32::try_from(value).ok().and_then(char::from_u32);
    if let Some(c) = c.filter(|c| flags.sharp && is_print(*c)) {
        text.push_str(" '");
        text.push(c);
        text.push('\'');
    }
    pad(to, &Flags { zero: false, ..*flags }, text.as_bytes())
}

/// `%x` of a string: its bytes.
pub(super) fn write_bytes(
    to: &mut Buffer,
    flags: &Flags,
    bytes: &[u8],
    case: HexCase,
) -> Result<(), Full> {
    let length = flags.precision.map_or(bytes.len(), |precision| precision.min(bytes.len()));
    let bytes = bytes.get(..length).unwrap_or(bytes);
    let fill = if flags.zero { b'0' } else { b' ' };
    let prefix = match (flags.sharp, case) {
        (false, _) => "",
        (true, HexCase::Lower) => "0x",
        (true, HexCase::Upper) => "0X",
    };
    let prefixes = match (bytes.len(), flags.space) {
        (0, _) => 0,
        (_, false) => 1,
        (count, true) => count,
    };
    let spaces = if flags.space { bytes.len().saturating_sub(1) } else { 0 };
    let written = 2 * bytes.len() + prefixes * prefix.len() + spaces;
    let padding = flags.width.unwrap_or(0).saturating_sub(written);
    if !flags.minus || bytes.is_empty() {
        to.fill(fill, padding)?;
    }
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && flags.space {
            to.write(b" ")?;
        }
        if at == 0 || flags.space {
            to.write_str(prefix)?;
        }
        to.write_str(&match case {
            HexCase::Lower => format!("{byte:02x}"),
            HexCase::Upper => format!("{byte:02X}"),
        })?;
    }
    if flags.minus && !bytes.is_empty() {
        to.fill(fill, padding)?;
    }
    Ok(())
}

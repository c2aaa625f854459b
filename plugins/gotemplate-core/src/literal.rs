//! Constants: strings, characters and numbers, as Go writes them.

use crate::value::{Int, Value};

/// What an interpreted string (with its quotes) says. Bytes, because `"\xff"` is one.
pub(crate) fn unquote(quoted: &str) -> Option<Vec<u8>> {
    let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let (unit, after) = unquote_unit(rest, '"')?;
        match unit {
            Unit::Byte(byte) => bytes.push(byte),
            Unit::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = after;
    }
    Some(bytes)
}

/// What a raw string (without its quotes) says: carriage returns are not part of it.
pub(crate) fn raw(text: &str) -> Vec<u8> {
    text.bytes().filter(|&byte| byte != b'\r').collect()
}

/// The number that a character constant (with its quotes) is.
pub(crate) fn character(quoted: &str) -> Option<Value> {
    let (unit, rest) = unquote_unit(quoted.strip_prefix('\'')?, '\'')?;
    let code = match unit {
        Unit::Byte(byte) => i64::from(byte),
        Unit::Char(c) => i64::from(u32::from(c)),
    };
    (rest == "'").then_some(Value::Int(Int::plain(code)))
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// One character or escape at the beginning of `text`, and what follows it.
fn unquote_unit(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first == quote || first == '\n' {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = |c| Some((Unit::Char(c), rest));
    match escape {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        _ if escape == quote => simple(quote),
        'x' => {
            let (code, rest) = code(rest, 2, 16)?;
            Some((Unit::Byte(u8::try_from(code).ok()?), rest))
        }
        'u' | 'U' => {
            let (code, rest) = code(rest, if escape == 'u' { 4 } else { 8 }, 16)?;
            Some((Unit::Char(char::from_u32(code)?), rest))
        }
        '0'..='7' => {
            let (code, rest) = code(text.strip_prefix('\\')?, 3, 8)?;
            Some((Unit::Byte(u8::try_from(code).ok()?), rest))
        }
        _ => None,
    }
}

/// A number of exactly so many digits, and what follows it.
fn code(text: &str, digits: usize, radix: u32) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let all_digits = number.chars().all(|c| c.is_digit(radix));
    Some((all_digits.then(|| u32::from_str_radix(number, radix).ok())??, rest))
}

/// The value of a number, or what is wrong with it.
pub(crate) fn number(text: &str) -> Result<Value, &'static str> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let illegal = "illegal number syntax";
    if !underscores_separate_digits(unsigned) {
        return Err(illegal);
    }
    let digits = unsigned.replace('_', "").to_ascii_lowercase();
    if let Some(hex) = digits.strip_prefix("0x").filter(|hex| hex.contains(['p', '.'])) {
        let float = hex_float(hex).filter(|float| float.is_finite()).ok_or(illegal)?;
        return Ok(Value::Float(if negative { -float } else { float }));
    }
    if !digits.starts_with("0x") && digits.contains(['.', 'e']) {
        let float: f64 = digits.parse().map_err(|_| illegal)?;
        let float = if negative { -float } else { float };
        return if float.is_finite() { Ok(Value::Float(float)) } else { Err(illegal) };
    }
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (digits.get(2..), 16),
        Some("0o") => (digits.get(2..), 8),
        Some("0b") => (digits.get(2..), 2),
        Some(_) if digits.starts_with('0') => (digits.get(1..), 8),
        _ => (Some(digits.as_str()), 10),
    };
    let digits = digits.unwrap_or_default();
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(illegal);
    }
    // The sign is part of the number, or the lowest one could not be written.
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    let value = i64::from_str_radix(&signed, radix).map_err(|_| "integer overflow")?;
    Ok(Value::Int(Int::plain(value)))
}

/// An underscore stands between two digits, or between the prefix and a digit.
fn underscores_separate_digits(number: &str) -> bool {
    let has_prefix = matches!(number.get(..2), Some("0x" | "0X" | "0o" | "0O" | "0b" | "0B"));
    let digits = if has_prefix { number.get(2..).unwrap_or_default() } else { number };
    let is_hex = matches!(number.get(..2), Some("0x" | "0X"));
    let is_digit = |c: char| c.is_ascii_digit() || is_hex && c.is_ascii_hexdigit();
    let mut before_is_digit = has_prefix;
    let mut before_is_underscore = false;
    for c in digits.chars() {
        if c == '_' && !before_is_digit || before_is_underscore && !is_digit(c) {
            return false;
        }
        before_is_digit = is_digit(c);
        before_is_underscore = c == '_';
    }
    !before_is_underscore
}

/// `1.8p-3`, after the `0x`.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let mut exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: u128 = 0;
    for (at, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u128::from(c.to_digit(16)?);
        if value >> 120 == 0 {
            value = value << 4 | digit;
        } else {
            // Too small to count, but not to decide which way a tie is rounded.
            value |= u128::from(digit != 0);
            exponent = exponent.saturating_add(4);
        }
        if at >= whole.len() {
            exponent = exponent.saturating_sub(4);
        }
    }
    let mut float = value as f64;
    // In steps, because the power itself may be out of range where the product is not.
    let mut left = exponent.clamp(-3000, 3000);
    while left != 0 {
        let step = left.clamp(-500, 500);
        float *= 2f64.powi(step);
        left -= step;
    }
    Some(float)
}

//! Numbers with a fraction.

use crate::buffer::{Buffer, Full};

use super::{Flags, integer::HexCase, printer::pad};

/// Beyond so many digits there are only zeros. (The standard library has a limit of its own on
/// how many it writes.)
const MAX_DIGITS: usize = 1100;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// `%e`
    Exponent(HexCase),
    /// `%f`
    Fixed,
    /// `%g`: whichever of the two is shorter.
    General(HexCase),
    /// `%x`
    Hex(HexCase),
    /// `%b`
    Binary,
}

impl Verb {
    /// The verb that `c` is for a number with a fraction.
    pub(super) fn from_char(c: char) -> Option<Verb> {
        Some(match c {
            'e' => Verb::Exponent(HexCase::Lower),
            'E' => Verb::Exponent(HexCase::Upper),
            'f' | 'F' => Verb::Fixed,
            'g' | 'v' => Verb::General(HexCase::Lower),
            'G' => Verb::General(HexCase::Upper),
            'x' => Verb::Hex(HexCase::Lower),
            'X' => Verb::Hex(HexCase::Upper),
            'b' => Verb::Binary,
            _ => return None,
        })
    }

    /// How many digits there are if nobody says; `None` for as many as it takes.
    fn default_precision(self) -> Option<usize> {
        match self {
            Verb::Exponent(_) | Verb::Fixed => Some(6),
            Verb::General(_) | Verb::Hex(_) | Verb::Binary => None,
        }
    }
}

/// Writes a number.
pub(super) fn write(to: &mut Buffer, flags: &Flags, value: f64, verb: Verb) -> Result<(), Full> {
    let negative = value.is_sign_negative() && !value.is_nan();
    let sign = match (negative, flags.plus, flags.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) if value.is_infinite() => "+",
        (false, false, false) => "",
    };
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "Inf" };
        let text = format!("{sign}{name}");
        return pad(to, &Flags { zero: false, ..*flags }, text.as_bytes());
    }
    // Only `%g` leaves out what is not there.
    if !matches!(verb, Verb::General(_) | Verb::Binary) || flags.sharp {
        to.has_room(flags.precision.unwrap_or(0))?;
    }
    let precision = flags.precision.or(verb.default_precision());
    let mut number = unsigned(value.abs(), verb, precision);
    if flags.sharp && verb != Verb::Binary {
        number = with_point(&number, verb, precision);
    }
    let width = flags.width.unwrap_or(0);
    if flags.zero && !sign.is_empty() && width > sign.len() + number.len() {
        to.write_str(sign)?;
        to.fill(b'0', width - sign.len() - number.len())?;
        return to.write_str(&number);
    }
    pad(to, flags, format!("{sign}{number}").as_bytes())
}

fn unsigned(value: f64, verb: Verb, precision: Option<usize>) -> String {
    match verb {
        Verb::Exponent(case) => {
            let wanted = precision.map(|precision| precision.saturating_add(1));
            Digits::of(value, wanted).exponent(precision.unwrap_or(0), case)
        }
        Verb::Fixed => {
            let precision = precision.unwrap_or(0);
            let exact = precision.min(MAX_DIGITS);
            let mut text = format!("{value:.exact$}");
            text.push_str(&"0".repeat(precision - exact));
            text
        }
        Verb::General(case) => general(value, case, precision),
        Verb::Hex(case) => hex(value, case, precision),
        Verb::Binary => {
            let (mantissa, exponent) = parts(value);
            format!("{mantissa}p{exponent:+}")
        }
    }
}

/// The decimal digits of a number: `0.d₁d₂d₃… · 10^point`.
struct Digits {
    /// Without zeros at the end; empty for zero.
    digits: String,
    point: i32,
}

impl Digits {
    /// So many digits, rounded, or as few as tell the number from any other.
    fn of(value: f64, count: Option<usize>) -> Digits {
        let scientific = match count {
            Some(count) => {
                let decimals = count.clamp(1, MAX_DIGITS) - 1;
                format!("{value:.decimals$e}")
            }
            None => shortest(value),
        };
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let digits = mantissa.replace('.', "");
        let digits = digits.trim_end_matches('0').to_owned();
        let point = if digits.is_empty() { 0 } else { exponent.parse().unwrap_or(0) + 1 };
        Digits { digits, point }
    }

    fn len(&self) -> i32 {
        // There are at most some hundred.
        i32::try_from(self.digits.len()).unwrap_or(i32::MAX)
    }

    /// `d.ddde±dd`
    fn exponent(&self, decimals: usize, case: HexCase) -> String {
        let (first, rest) = self.digits.split_at_checked(1).unwrap_or(("0", ""));
        let mut text = first.to_owned();
        if decimals > 0 {
            text.push('.');
            text.push_str(rest);
            text.push_str(&"0".repeat(decimals.saturating_sub(rest.len())));
        }
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        text.push(if case == HexCase::Lower { 'e' } else { 'E' });
        text.push(if exponent < 0 { '-' } else { '+' });
        text.push_str(&format!("{:02}", exponent.unsigned_abs()));
        text
    }

    /// `ddd.ddd`, all digits.
    fn fixed(&self) -> String {
        let point = usize::try_from(self.point).unwrap_or(0);
        let zeros = usize::try_from(-self.point).unwrap_or(0);
        let (whole, fraction) = self.digits.split_at_checked(point).unwrap_or((&self.digits, ""));
        let mut text = if whole.is_empty() { "0".to_owned() } else { whole.to_owned() };
        if !self.digits.is_empty() {
            text.push_str(&"0".repeat(point.saturating_sub(self.digits.len())));
        }
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(&"0".repeat(zeros));
            text.push_str(fraction);
        }
        text
    }
}

/// The shortest digits that tell the number from any other, and of those with as many digits the
/// closest. The standard library gives any of two that are as close; Go gives the even one.
fn shortest(value: f64) -> String {
    let digits = format!("{value:e}");
    let mantissa = digits.split('e').next().unwrap_or_default();
    let decimals = mantissa.len().saturating_sub(2);
    let rounded = format!("{value:.decimals$e}");
    if rounded.parse() == Ok(value) { rounded } else { digits }
}

fn general(value: f64, case: HexCase, precision: Option<usize>) -> String {
    let digits = Digits::of(value, precision);
    let len = digits.len();
    let threshold = match precision {
        // Where the shortest form is asked for, Go decides as if the precision were this.
        None => 6,
        Some(precision) => {
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            if precision > len && len >= digits.point { len } else { precision }
        }
    };
    let exponent = digits.point - 1;
    if exponent < -4 || exponent >= threshold {
        return digits.exponent(digits.digits.len().saturating_sub(1), case);
    }
    digits.fixed()
}

/// The number as mantissa and exponent of two.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

/// `0x1.8p+01`
fn hex(value: f64, case: HexCase, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    exponent += 52;
    if mantissa == 0 {
        exponent = 0;
    }
    // The leading one goes to bit 60, so that the digits after it are whole.
    mantissa <<= 8;
    while mantissa != 0 && mantissa & 1 << 60 == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(precision @ 0..15) = precision {
        let shift = precision * 4;
        let lost = mantissa << shift & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if lost | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & 1 << 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(precision) => {
            let mut digits = fraction;
            let zeros = precision.saturating_sub(digits.len());
            digits.truncate(precision);
            digits.push_str(&"0".repeat(zeros));
            digits
        }
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text =
        format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> 60, exponent.unsigned_abs());
    if case == HexCase::Upper { text.to_uppercase() } else { text }
}

/// `#`: always a point, and the zeros at the end that `%g` leaves out.
fn with_point(number: &str, verb: Verb, precision: Option<usize>) -> String {
    let exponent_mark: &[char] = match verb {
        Verb::Hex(_) => &['p', 'P'],
        _ => &['e', 'E'],
    };
    let (mantissa, tail) = match number.find(exponent_mark) {
        Some(at) => number.split_at_checked(at).unwrap_or((number, "")),
        None => (number, ""),
    };
    let mut text = mantissa.to_owned();
    let wanted = match verb {
        Verb::General(_) | Verb::Hex(HexCase::Lower) => precision.unwrap_or(6),
        _ => 0,
    };
    let mut digits = mantissa.trim_start_matches(['0', '.']).chars().filter(|c| *c != '.').count();
    if !mantissa.contains('.') {
        // Zero has one digit, too.
        if mantissa == "0" {
            digits += 1;
        }
        text.push('.');
    }
    text.push_str(&"0".repeat(wanted.saturating_sub(digits)));
    text.push_str(tail);
    text
}

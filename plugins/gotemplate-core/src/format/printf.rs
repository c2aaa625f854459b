//! Formats: `%[2]*.3f`.

use crate::{
    buffer::{Buffer, Full},
    value::Value,
};

use super::{Flags, Printer, quote::next_char};

/// Widths and precisions beyond this are refused, as in Go.
const MAX_NUMBER: usize = 1_000_000;

/// Writes `values` as `format` says. What is wrong with the format is said in the text.
pub(crate) fn printf(to: &mut Buffer, format: &[u8], values: &[Value]) -> Result<(), Full> {
    let mut formatter = Formatter {
        format,
        at: 0,
        values,
        next: 0,
        reordered: false,
        good_index: true,
        printer: Printer::new(to),
    };
    formatter.run()?;
    formatter.extra()
}

struct Formatter<'f, 'b> {
    format: &'f [u8],
    /// Where in the format we are.
    at: usize,
    values: &'f [Value],
    /// Which value comes next.
    next: usize,
    /// Whether an index was used, so that nobody can say which values are too many.
    reordered: bool,
    /// Whether the indexes of this verb are good.
    good_index: bool,
    printer: Printer<'b>,
}

impl Formatter<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn write(&mut self, text: &str) -> Result<(), Full> {
        self.printer.to.write_str(text)
    }

    fn run(&mut self) -> Result<(), Full> {
        loop {
            let rest = self.format.get(self.at..).unwrap_or_default();
            let text = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            self.printer.to.write(rest.get(..text).unwrap_or_default())?;
            self.at += text;
            if self.at >= self.format.len() {
                return Ok(());
            }
            self.at += 1;
            self.directive()?;
        }
    }

    /// What follows a `%`.
    fn directive(&mut self) -> Result<(), Full> {
        self.good_index = true;
        self.flags();
        let mut after_index = self.index();
        if self.accept(b'*') {
            match self.number_from_values() {
                Some(width) => {
                    self.printer.flags.width = usize::try_from(width.unsigned_abs()).ok();
                    if width < 0 {
                        self.printer.flags.minus = true;
                        self.printer.flags.zero = false;
                    }
                }
                None => self.write("%!(BADWIDTH)")?,
            }
            after_index = false;
        } else {
            self.printer.flags.width = self.number();
            if after_index && self.printer.flags.width.is_some() {
                self.good_index = false;
            }
        }
        // A point at the very end is a verb.
        if self.at + 1 < self.format.len() && self.accept(b'.') {
            if after_index {
                self.good_index = false;
            }
            after_index = self.index();
            if self.accept(b'*') {
                let precision = self.number_from_values();
                // A negative precision is none, and Go says so.
                self.printer.flags.precision =
                    precision.and_then(|precision| usize::try_from(precision).ok());
                if self.printer.flags.precision.is_none() {
                    self.write("%!(BADPREC)")?;
                }
                after_index = false;
            } else {
                self.printer.flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        let rest = self.format.get(self.at..).unwrap_or_default();
        let Some((verb, after)) = next_char(rest) else { return self.write("%!(NOVERB)") };
        self.at += rest.len() - after.len();
        self.verb(verb.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn verb(&mut self, verb: char) -> Result<(), Full> {
        if verb == '%' {
            return self.write("%");
        }
        let trouble = match self.values.get(self.next) {
            _ if !self.good_index => "(BADINDEX)",
            None => "(MISSING)",
            Some(value) => {
                if verb == 'v' {
                    let flags = &mut self.printer.flags;
                    flags.go_syntax = std::mem::take(&mut flags.sharp);
                    flags.plus = false;
                }
                self.next += 1;
                return self.printer.argument(value, verb);
            }
        };
        self.write("%!")?;
        self.printer.to.write_char(verb)?;
        self.write(trouble)
    }

    fn flags(&mut self) {
        self.printer.flags = Flags::default();
        let flags = &mut self.printer.flags;
        while let Some(byte) = self.format.get(self.at) {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = !flags.minus,
                b'+' => flags.plus = true,
                b'-' => {
                    flags.minus = true;
                    flags.zero = false;
                }
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        let accepted = self.peek() == Some(byte);
        if accepted {
            self.at += 1;
        }
        accepted
    }

    /// A number, if there is one. One that is too large takes the rest of the format with it.
    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let so_far = number.unwrap_or(0);
            if so_far > MAX_NUMBER {
                self.at = self.format.len();
                return None;
            }
            number = Some(so_far * 10 + usize::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    /// `*`: the next value as a number.
    fn number_from_values(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        let Value::Int(int) = value else { return None };
        let small = int.value.unsigned_abs() <= MAX_NUMBER as u64;
        small.then_some(int.value)
    }

    /// `[2]`: which value comes next. Answers whether there was one that can be read.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.format.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b']');
        let Some(end) = end.filter(|_| rest.len() >= 3) else {
            self.good_index = false;
            self.at += 1;
            return false;
        };
        let digits = rest.get(1..end).unwrap_or_default();
        self.at += end + 1;
        let number = digits.iter().try_fold(None, |number, digit| {
            let so_far = number.unwrap_or(0);
            (digit.is_ascii_digit() && so_far <= MAX_NUMBER)
                .then(|| Some(so_far * 10 + usize::from(digit - b'0')))
        });
        let Some(Some(number)) = number else {
            self.good_index = false;
            return false;
        };
        match number.checked_sub(1).filter(|index| *index < self.values.len()) {
            Some(index) => self.next = index,
            None => self.good_index = false,
        }
        true
    }

    /// What is left over.
    fn extra(&mut self) -> Result<(), Full> {
        let extra = self.values.get(self.next..).unwrap_or_default();
        if self.reordered || extra.is_empty() {
            return Ok(());
        }
        self.printer.flags = Flags::default();
        self.write("%!(EXTRA ")?;
        for (at, value) in extra.iter().enumerate() {
            if at > 0 {
                self.write(", ")?;
            }
            if !matches!(value, Value::Nil | Value::Missing(_)) {
                self.write(value.type_name())?;
                self.write("=")?;
            }
            self.printer.argument(value, 'v')?;
        }
        self.write(")")
    }
}

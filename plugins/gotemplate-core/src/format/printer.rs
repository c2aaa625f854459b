//! Values, written by a verb.

use crate::{
    buffer::{Buffer, Full},
    value::{Int, IntKind, List, Map, Value},
};

use super::{
    Flags, float, integer,
    integer::{Base, HexCase},
    quote,
};

type Printed = Result<(), Full>;

/// Writes values to a buffer.
pub(crate) struct Printer<'b> {
    pub(super) to: &'b mut Buffer,
    pub(super) flags: Flags,
}

impl<'b> Printer<'b> {
    /// One that writes plainly.
    pub(crate) fn new(to: &'b mut Buffer) -> Printer<'b> {
        Printer { to, flags: Flags::default() }
    }

    /// Writes `value` as an action does.
    pub(crate) fn print_value(&mut self, value: &Value) -> Printed {
        self.argument(value, 'v')
    }

    /// `print`: with space between values neither of which is a string.
    pub(crate) fn print(&mut self, values: &[Value]) -> Printed {
        // The first value has nothing before it to be set off from.
        let mut after_string = true;
        for value in values {
            let is_string = matches!(value, Value::String(_));
            if !is_string && !after_string {
                self.to.write(b" ")?;
            }
            self.argument(value, 'v')?;
            after_string = is_string;
        }
        Ok(())
    }

    /// `println`: with space between the values and a newline after them.
    pub(crate) fn println(&mut self, values: &[Value]) -> Printed {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.to.write(b" ")?;
            }
            self.argument(value, 'v')?;
        }
        self.to.write(b"\n")
    }

    /// Writes an argument of `printf`.
    pub(super) fn argument(&mut self, value: &Value, verb: char) -> Printed {
        match (value, verb) {
            (Value::Nil | Value::Missing(_), 'v' | 'T') => self.pad(b"<nil>"),
            (Value::Nil | Value::Missing(_), _) => self.bad_verb(value, verb),
            (_, 'T') => self.string(value.type_name().as_bytes(), 's', value),
            // Where a list or a map is in memory is nobody's business; errors do not wrap here.
            (_, 'p' | 'w') => self.bad_verb(value, verb),
            _ => self.value(value, verb),
        }
    }

    /// Writes a value, which may be inside of another one.
    fn value(&mut self, value: &Value, verb: char) -> Printed {
        match value {
            Value::Nil | Value::Missing(_) if self.flags.go_syntax => {
                self.to.write_str("interface {}(nil)")
            }
            Value::Nil | Value::Missing(_) => self.to.write_str("<nil>"),
            Value::Bool(truth) => match verb {
                't' | 'v' => self.pad(if *truth { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(int) => self.int(*int, verb),
            Value::Float(number) => self.float(*number, verb),
            Value::String(bytes) => self.string(bytes, verb, value),
            Value::List(list) => self.list(list, verb),
            Value::Map(map) => self.map(map, verb),
        }
    }

    fn list(&mut self, list: &List, verb: char) -> Printed {
        let go_syntax = self.flags.go_syntax;
        self.to.write_str(if go_syntax { "[]interface {}{" } else { "[" })?;
        for (at, item) in list.items().iter().enumerate() {
            self.separate(at)?;
            self.value(item, verb)?;
        }
        self.to.write_str(if go_syntax { "}" } else { "]" })
    }

    fn map(&mut self, map: &Map, verb: char) -> Printed {
        let go_syntax = self.flags.go_syntax;
        self.to.write_str(if go_syntax { "map[string]interface {}{" } else { "map[" })?;
        for (at, (key, value)) in map.entries().iter().enumerate() {
            self.separate(at)?;
            let name = Value::string(key.as_bytes());
            self.value(&name, verb)?;
            self.to.write(b":")?;
            self.value(value, verb)?;
        }
        self.to.write_str(if go_syntax { "}" } else { "]" })
    }

    fn separate(&mut self, at: usize) -> Printed {
        match (at, self.flags.go_syntax) {
            (0, _) => Ok(()),
            (_, true) => self.to.write(b", "),
            (_, false) => self.to.write(b" "),
        }
    }

    fn int(&mut self, int: Int, verb: char) -> Printed {
        let base = match verb {
            // A byte is a number without a sign, and those are hexadecimal in Go's syntax.
            'v' if self.flags.go_syntax && int.kind == IntKind::Uint8 => {
                let flags = Flags { sharp: true, ..self.flags };
                return integer::write(self.to, &flags, int.value, Base::Hex(HexCase::Lower));
            }
            'v' | 'd' => Base::Decimal,
            'b' => Base::Binary,
            'o' => Base::Octal,
            'O' => Base::PrefixedOctal,
            'x' => Base::Hex(HexCase::Lower),
            'X' => Base::Hex(HexCase::Upper),
            'c' => return self.pad(code_point(int).encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => {
                let quoted = quote::character(code_point(int), self.flags.plus);
                return self.pad(quoted.as_bytes());
            }
            'U' => return integer::write_unicode(self.to, &self.flags, int.value),
            _ => return self.bad_verb(&Value::Int(int), verb),
        };
        integer::write(self.to, &self.flags, int.value, base)
    }

    fn float(&mut self, number: f64, verb: char) -> Printed {
        match float::Verb::from_char(verb) {
            Some(verb) => float::write(self.to, &self.flags, number, verb),
            None => self.bad_verb(&Value::Float(number), verb),
        }
    }

    fn string(&mut self, bytes: &[u8], verb: char, value: &Value) -> Printed {
        match verb {
            'v' if self.flags.go_syntax => self.quoted(bytes),
            'v' | 's' => self.pad(self.truncated(bytes)),
            'q' => self.quoted(bytes),
            'x' => integer::write_bytes(self.to, &self.flags, bytes, HexCase::Lower),
            'X' => integer::write_bytes(self.to, &self.flags, bytes, HexCase::Upper),
            _ => self.bad_verb(value, verb),
        }
    }

    fn quoted(&mut self, bytes: &[u8]) -> Printed {
        let bytes = self.truncated(bytes);
        if self.flags.sharp && quote::can_backquote(bytes) {
            return self.pad(&[b"`", bytes, b"`"].concat());
        }
        let quoted = quote::string(bytes, self.flags.plus);
        self.pad(quoted.as_bytes())
    }

    /// As many characters as the precision allows.
    fn truncated<'t>(&self, bytes: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return bytes };
        let mut rest = bytes;
        for _ in 0..precision {
            match quote::next_char(rest) {
                Some((_, after)) => rest = after,
                None => break,
            }
        }
        bytes.get(..bytes.len() - rest.len()).unwrap_or(bytes)
    }

    /// What `printf` says of a value that the verb is not for.
    fn bad_verb(&mut self, value: &Value, verb: char) -> Printed {
        self.to.write_str("%!")?;
        self.to.write_char(verb)?;
        self.to.write(b"(")?;
        if let Value::Nil | Value::Missing(_) = value {
            self.to.write_str("<nil>")?;
        } else {
            self.to.write_str(value.type_name())?;
            self.to.write(b"=")?;
            self.value(value, 'v')?;
        }
        self.to.write(b")")
    }

    fn pad(&mut self, text: &[u8]) -> Printed {
        pad(self.to, &self.flags, text)
    }
}

/// Writes `text`, as wide as the flags say.
pub(super) fn pad(to: &mut Buffer, flags: &Flags, text: &[u8]) -> Printed {
    let width = flags.width.unwrap_or(0);
    // Counting is for those who need it.
    let padding = if width == 0 { 0 } else { width.saturating_sub(quote::count_chars(text)) };
    if flags.minus {
        to.write(text)?;
        return to.fill(b' ', padding);
    }
    to.fill(if flags.zero { b'0' } else { b' ' }, padding)?;
    to.write(text)
}

/// The character that has this number.
fn code_point(int: Int) -> char {
    let code = u32::try_from(int.value).ok();
    code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

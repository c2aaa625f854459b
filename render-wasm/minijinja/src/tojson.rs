//! `tojson`: minijinja's layout without its HTML escapes (text is never escaped), and nulls inside
//! of the variables stay nulls.

use std::fmt::Write;

use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, ValueKind},
};

use crate::{
    missing::missing,
    variables::{List, Map},
};

/// How deep values may nest: a list can be made to hold itself many times over.
const MAX_DEPTH: usize = 150;

/// `tojson(value, indent)`: `indent` is a number of spaces, or true for two.
pub(crate) fn tojson(value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => kwargs.get::<Option<Value>>("indent")?,
    };
    // Python's other argument that chat templates use. Its default is ours: text stays as it is.
    let ascii = kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let indent = match indent {
        None => None,
        Some(value) if value.is_none() => None,
        Some(value) => match bool::try_from(value.clone()) {
            Ok(true) => Some(2),
            Ok(false) => None,
            Err(_) => Some(usize::try_from(value)?.min(16)),
        },
    };
    let mut json = Json { text: String::new(), indent, ascii, depth: 0 };
    json.value(value)?;
    Ok(Value::from(json.text))
}

/// The values as an array in one line, for a lent function.
pub(crate) fn array(values: &[Value]) -> Result<String, Error> {
    let room = |value: &Value| value.as_str().map_or(32, str::len) + 4;
    let room = values.iter().map(room).sum::<usize>() + 2;
    let mut json = Json { text: String::with_capacity(room), indent: None, ascii: false, depth: 0 };
    json.text.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            json.text.push(',');
        }
        json.value(value)?;
    }
    json.text.push(']');
    Ok(json.text)
}

struct Json {
    text: String,
    indent: Option<usize>,
    /// Whether other characters than ASCII's are escaped.
    ascii: bool,
    depth: usize,
}

impl Json {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        if let Some(text) = value.as_str() {
            self.string(text);
            return Ok(());
        }
        match value.kind() {
            ValueKind::Undefined | ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.number(value),
            ValueKind::Map => self.map(value)?,
            ValueKind::Seq | ValueKind::Iterable => self.list(value)?,
            ValueKind::Invalid => {
                value.try_iter()?;
            }
            _ => {
                if let Some(gone) = missing(value) {
                    gone.record();
                    self.text.push_str("null");
                } else {
                    self.string(&value.to_string());
                }
            }
        }
        Ok(())
    }

    fn number(&mut self, value: &Value) {
        let start = self.text.len();
        let _ = write!(self.text, "{value}");
        if matches!(&self.text[start..], "NaN" | "inf" | "-inf") {
            self.text.truncate(start);
            self.text.push_str("null");
        }
    }

    fn map(&mut self, value: &Value) -> Result<(), Error> {
        self.open('{')?;
        let mut first = true;
        if let Some(map) = value.downcast_object_ref::<Map>() {
            for (key, value) in map.plain() {
                self.item(&mut first);
                self.string(key);
                self.text.push_str(": ");
                self.value(&value)?;
            }
        } else {
            for key in value.try_iter()? {
                self.item(&mut first);
                self.key(&key)?;
                self.text.push_str(": ");
                self.value(&value.get_item(&key)?)?;
            }
        }
        self.close('}', first);
        Ok(())
    }

    fn key(&mut self, key: &Value) -> Result<(), Error> {
        match key.kind() {
            ValueKind::String | ValueKind::Bool | ValueKind::Number => {
                let text = if key.kind() == ValueKind::Bool {
                    key.to_string().to_lowercase()
                } else {
                    key.to_string()
                };
                self.string(&text);
                Ok(())
            }
            kind => Err(Error::new(
                ErrorKind::BadSerialization,
                format!("{kind} cannot be a key in JSON"),
            )),
        }
    }

    fn list(&mut self, value: &Value) -> Result<(), Error> {
        self.open('[')?;
        let mut first = true;
        if let Some(list) = value.downcast_object_ref::<List>() {
            for item in list.plain() {
                self.item(&mut first);
                self.value(&item)?;
            }
        } else {
            for item in value.try_iter()? {
                self.item(&mut first);
                self.value(&item)?;
            }
        }
        self.close(']', first);
        Ok(())
    }

    fn open(&mut self, bracket: char) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::BadSerialization,
                "the value is nested too deeply for JSON",
            ));
        }
        self.text.push(bracket);
        Ok(())
    }

    fn item(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.text.push_str(if self.indent.is_some() { "," } else { ", " });
        }
        self.line();
    }

    fn close(&mut self, bracket: char, empty: bool) {
        self.depth -= 1;
        if !empty {
            self.line();
        }
        self.text.push(bracket);
    }

    fn line(&mut self) {
        if let Some(width) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', width * self.depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                8 => "\\b",
                12 => "\\f",
                0..=0x1f => "",
                0x80.. if self.ascii && text.is_char_boundary(at) => "",
                _ => continue,
            };
            self.text.push_str(&text[plain..at]);
            if byte >= 0x80 {
                let character = text[at..].chars().next().unwrap_or_default();
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(self.text, "\\u{unit:04x}");
                }
                plain = at + character.len_utf8();
                continue;
            }
            if escape.is_empty() {
                let _ = write!(self.text, "\\u{byte:04x}");
            } else {
                self.text.push_str(escape);
            }
            plain = at + 1;
        }
        self.text.push_str(&text[plain..]);
        self.text.push('"');
    }
}

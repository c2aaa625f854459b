//! From JSON to values, and back for the host's functions.

use std::{fmt, sync::Arc};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map as JsonMap, Number, Value as Json};

use crate::{
    place::Place,
    value::{Int, IntKind, List, Map, Value},
};

/// How deep what a function gives may nest; the variables cannot nest deeper either.
const MAX_DEPTH: usize = 128;

/// Reads the variables: a JSON object.
pub(crate) fn variables(json: &str) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = At { parent: &Place::ROOT, step: Step::None }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| format!("the variables are not valid JSON: {error}"))?;
    match value {
        Value::Map(_) => Ok(value),
        _ => Err("the variables are not a JSON object".into()),
    }
}

/// A value that is read, and where it is. The place is only made for containers: nobody asks for
/// that of anything else.
struct At<'p> {
    parent: &'p Place,
    step: Step,
}

enum Step {
    None,
    Key(Arc<str>),
    Item(usize),
}

impl At<'_> {
    fn place(self) -> Place {
        match self.step {
            Step::None => self.parent.clone(),
            Step::Key(key) => self.parent.key(key),
            Step::Item(index) => self.parent.item(index),
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(Int { value, kind: IntKind::Int64 }))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::string(value.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let place = self.place();
        let mut items = Vec::new();
        while let Some(item) =
            seq.next_element_seed(At { parent: &place, step: Step::Item(items.len()) })?
        {
            items.push(item);
        }
        Ok(Value::List(List::new(items, place)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let place = self.place();
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let key: Arc<str> = key.into();
            let value = map.next_value_seed(At { parent: &place, step: Step::Key(key.clone()) })?;
            entries.push((key, value));
        }
        Ok(Value::Map(Arc::new(Map::new(entries, place))))
    }
}

fn unsigned(value: u64) -> Value {
    match i64::try_from(value) {
        Ok(value) => Value::Int(Int { value, kind: IntKind::Int64 }),
        Err(_) => Value::Float(value as f64),
    }
}

/// What a function of the host gave. It is none of the variables: a null in it is called by the key
/// that leads to it.
pub(crate) fn from_json(json: Json) -> Result<Value, String> {
    convert(json, Place::ROOT, 0)
}

fn convert(json: Json, place: Place, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deeply".into());
    }
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(Int { value, kind: IntKind::Int64 }),
            (None, Some(value)) => unsigned(value),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::string(text.into_bytes()),
        Json::Array(items) => {
            let items = items
                .into_iter()
                .enumerate()
                .map(|(index, item)| convert(item, place.item(index), depth + 1))
                .collect::<Result<_, _>>()?;
            Value::List(List::new(items, place))
        }
        Json::Object(entries) => {
            let entries = entries
                .into_iter()
                .map(|(key, value)| {
                    let key: Arc<str> = key.into();
                    let value = convert(value, place.key(key.clone()), depth + 1)?;
                    Ok((key, value))
                })
                .collect::<Result<_, String>>()?;
            Value::Map(Arc::new(Map::new(entries, place)))
        }
    })
}

/// What a function of the host is given.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil | Value::Missing(_) => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(int) => Json::Number(int.value.into()),
        // Infinity cannot be said in JSON.
        Value::Float(float) => Number::from_f64(*float).map_or(Json::Null, Json::Number),
        Value::String(bytes) => Json::String(String::from_utf8_lossy(bytes).into_owned()),
        Value::List(list) => Json::Array(list.items().iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(
            map.entries()
                .iter()
                .map(|(key, value)| (key.to_string(), to_json(value)))
                .collect::<JsonMap<_, _>>(),
        ),
    }
}

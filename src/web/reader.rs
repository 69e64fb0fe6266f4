//! JavaScript objects as structs: a deserializer for objects whose members are texts, whole numbers and
//! truth values.
//!
//! serde-wasm-bindgen reads with imports that do not catch, and describes a value that it refuses through
//! the value's own methods. Here members are read by `Reflect`, and a refusal says which member it is and
//! of what kind its value is.

use super::json::{LONGEST, kind_of, parse, says};
use super::object::{as_whole, key};
use core::fmt::{self, Display};
use core::slice;
use js_sys::{JsString, Reflect};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use wasm_bindgen::prelude::*;

/// Reads an object.
///
/// # Errors
/// Which member is not what it should be.
pub(crate) fn read<T: DeserializeOwned>(object: &JsValue) -> Result<T, String> {
    T::deserialize(Value(object)).map_err(|Refusal(why)| why)
}

/// Reads a JSON text. The text itself stays in JavaScript.
///
/// # Errors
/// Why it is no JSON, or which member is not what it should be.
pub(crate) fn read_json<T: DeserializeOwned>(text: &JsString) -> Result<T, String> {
    let value = parse(text).map_err(|thrown| says(&thrown))?;
    read(&value)
}

/// What is wrong; of a single value, what it should have been.
#[derive(Debug)]
struct Refusal(String);

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Refusal {}

impl Error for Refusal {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }

    // As serde has it, these would print the value, and bring all of float formatting with it.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(expected.to_string())
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self(expected.to_string())
    }
}

/// That something else was expected.
fn expected(what: &str) -> Refusal {
    Refusal(what.to_owned())
}

struct Value<'a>(&'a JsValue);

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refusal> {
        Err(expected("of a kind that is read"))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0.dyn_ref::<JsString>() {
            Some(text) if text.length() > LONGEST => {
                Err(Refusal(format!("at most {LONGEST} characters long")))
            }
            Some(text) => visitor.visit_string(String::from(text)),
            None => Err(expected("a string")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0.as_bool() {
            Some(truth) => visitor.visit_bool(truth),
            None => Err(expected("true or false")),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match as_whole(self.0) {
            Some(whole) => visitor.visit_u64(whole),
            None => Err(expected("a whole number")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.0.is_null() || self.0.is_undefined() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if !self.0.is_object() {
            let kind = kind_of(self.0);
            return Err(Refusal(format!("it is {kind} and not an object")));
        }
        visitor.visit_seq(Members {
            object: self.0,
            fields: fields.iter(),
        })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Those members of an object that a struct has, in its order. A struct is also read from a list of its
/// members, and what is compiled for that is half of what it is for pairs of names and values.
struct Members<'a> {
    object: &'a JsValue,
    fields: slice::Iter<'static, &'static str>,
}

impl<'de> SeqAccess<'de> for Members<'_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refusal> {
        let Some(name) = self.fields.next() else {
            return Ok(None);
        };
        let value = member(self.object, name)?;
        let read = seed.deserialize(Value(&value));
        read.map(Some)
            .map_err(|Refusal(expected)| refusal(name, &value, &expected))
    }
}

fn member(object: &JsValue, name: &'static str) -> Result<JsValue, Refusal> {
    Reflect::get(object, key(name))
        .map_err(|thrown| Refusal(["its ", name, " cannot be read: ", &says(&thrown)].concat()))
}

/// That a member is not what it should be.
fn refusal(name: &str, value: &JsValue, expected: &str) -> Refusal {
    Refusal(if value.is_undefined() {
        ["its ", name, " is missing"].concat()
    } else {
        ["its ", name, " is ", &kind_of(value), " and not ", expected].concat()
    })
}

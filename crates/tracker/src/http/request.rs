//! Parses queries and JSON bodies, and reports exactly what is wrong with them: one fault per
//! parameter, in the format of the protocol's 422 response.

use std::{borrow::Cow, fmt, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, FromRequestParts, Request},
    http::{header, request::Parts},
};
use distcompute_protocol::ParameterFault;
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use crate::{
    admission::{
        bodies::{Bodies, Share},
        turns::Turn,
    },
    error::{ApiError, fault, quoted},
    rules::names,
};

/// The parameters of a query string.
pub struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|error| {
                let fault = fault("value_error", &["query"], &error.body_text(), None);
                ApiError::Faults(vec![fault])
            })?;
        Ok(Self(pairs.0))
    }
}

impl Query {
    /// Returns the parameter if it is present. If it is repeated, the last one counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the parameters, all of which are required.
    ///
    /// # Errors
    /// Returns one fault for each that is missing.
    pub fn all<const N: usize>(&self, names: [&str; N]) -> Result<[&str; N], ApiError> {
        let missing: Vec<_> = names
            .iter()
            .filter(|name| self.get(name).is_none())
            .map(|name| fault("missing", &["query", name], "Field required", None))
            .collect();
        if missing.is_empty() {
            Ok(names.map(|name| self.get(name).unwrap_or_default()))
        } else {
            Err(ApiError::Faults(missing))
        }
    }

    /// Returns an integer from `low` to `high`, or `otherwise` if it is absent.
    ///
    /// # Errors
    /// Returns a fault if the value is anything else.
    pub fn number(&self, name: &str, otherwise: u64, low: u64, high: u64) -> Result<u64, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(otherwise);
        };
        match text.parse() {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(ApiError::Faults(vec![fault(
                "int_parsing",
                &["query", name],
                &format!("Input should be a whole number from {low} to {high}"),
                Some(quoted(text)),
            )])),
        }
    }
}

impl Query {
    /// Returns `true` or `false`, or `otherwise` if the parameter is absent.
    ///
    /// # Errors
    /// Returns a fault if the value is anything else.
    pub fn truth(&self, name: &str, otherwise: bool) -> Result<bool, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(otherwise);
        };
        text.parse().map_err(|_| {
            let input = Some(quoted(text));
            let message = "Input should be true or false";
            let fault = fault("bool_parsing", &["query", name], message, input);
            ApiError::Faults(vec![fault])
        })
    }

    /// Returns a comma-separated list of at most `most` integers, or `None` if it is absent.
    ///
    /// # Errors
    /// Returns a fault if the value is anything else or the list is longer.
    pub fn numbers(&self, name: &str, most: usize) -> Result<Option<Vec<u64>>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let numbers: Option<Vec<u64>> = text.split(',').map(|part| part.parse().ok()).collect();
        let fits = numbers.filter(|numbers| numbers.len() <= most);
        fits.map(Some).ok_or_else(|| {
            let message =
                format!("Input should be at most {most} whole numbers separated by commas");
            let input = Some(quoted(text));
            ApiError::Faults(vec![fault(
                "value_error",
                &["query", name],
                &message,
                input,
            )])
        })
    }
}

/// Parses an optional text. `of` is its location, for example `["body", "reason"]`.
///
/// # Errors
/// Returns a fault with the sentence of `parse` if the text is invalid.
pub fn parsed<T>(
    of: [&str; 2],
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ApiError> {
    let parsed = text.map(parse).transpose();
    parsed.map_err(|sentence| {
        let input = text.map(quoted);
        let fault = fault("value_error", &of, &sentence, input);
        ApiError::Faults(vec![fault])
    })
}

/// A body whose content type is JSON, not parsed yet: the handler decides into what type.
///
/// It holds its share of the memory budget until it is dropped, and its turn to be parsed.
pub struct Body {
    bodies: Arc<Bodies>,
    bytes: Bytes,
    held: Held,
}

/// The resources that a body holds.
type Held = (Share, Option<Turn>);

impl<S> FromRequest<S> for Body
where
    S: Send + Sync,
    Arc<Bodies>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let declared = request.headers().get(header::CONTENT_TYPE).cloned();
        let bodies = Arc::<Bodies>::from_ref(state);
        let (bytes, share, turn) = bodies.collect(request).await?;
        let is_json = declared.is_none_or(|kind| kind.to_str().is_ok_and(is_json_type));
        if !is_json {
            return Err(no_object(&String::from_utf8_lossy(&bytes)));
        }
        if bytes.is_empty() {
            return Err(ApiError::Faults(vec![fault(
                "missing",
                &["body"],
                "Field required",
                None,
            )]));
        }
        let held = (share, turn);
        Ok(Self {
            bodies,
            bytes,
            held,
        })
    }
}

impl Body {
    /// Parses the body into `T`. Fields that `T` does not have are skipped and not allocated.
    ///
    /// # Errors
    /// Returns a fault if the body is not a JSON object, or a field is missing or of another type.
    pub async fn read<T: DeserializeOwned + Send + 'static>(self) -> Result<Read<T>, ApiError> {
        let parse = |bytes: &[u8]| {
            check_object(bytes)?;
            serde_json::from_slice(bytes).map_err(|error| {
                if error.is_data() {
                    let message = error.to_string();
                    ApiError::Faults(vec![fault("value_error", &["body"], &message, None)])
                } else {
                    not_json(&error)
                }
            })
        };
        let (value, held) = self.parsed(parse).await?;
        Ok(Read { value, _held: held })
    }

    /// Reads the fields with these names; all others are skipped and not allocated.
    ///
    /// # Errors
    /// Returns a fault if the body is not a JSON object.
    pub async fn fields(self, names: &'static [&'static str]) -> Result<Fields, ApiError> {
        let parse = |bytes: &[u8]| {
            check_object(bytes)?;
            let mut json = serde_json::Deserializer::from_slice(bytes);
            let found = Wanted(names).deserialize(&mut json);
            let found = found.and_then(|found| json.end().map(|()| found));
            found.map_err(|error| not_json(&error))
        };
        let (found, held) = self.parsed(parse).await?;
        Ok(Fields { found, _held: held })
    }

    async fn parsed<T: Send + 'static>(
        self,
        parse: impl FnOnce(&[u8]) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<(T, Held), ApiError> {
        let Self {
            bodies,
            bytes,
            held,
        } = self;
        let length = bytes.len();
        let parsed = bodies.work(length, move || parse(&bytes)).await?;
        Ok((parsed, held))
    }
}

/// Serde deserializes structs from arrays as well, but the protocol accepts only objects.
fn check_object(bytes: &[u8]) -> Result<(), ApiError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        return Ok(());
    }
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => Err(no_object(&String::from_utf8_lossy(bytes))),
        Err(error) => Err(not_json(&error)),
    }
}

fn no_object(given: &str) -> ApiError {
    let message = "Input should be a valid dictionary or object to extract fields from";
    let given = Some(quoted(given));
    let fault = fault("model_attributes_type", &["body"], message, given);
    ApiError::Faults(vec![fault])
}

fn not_json(error: &serde_json::Error) -> ApiError {
    let message = format!("JSON decode error: {error}");
    ApiError::Faults(vec![fault("json_invalid", &["body"], &message, None)])
}

/// A parsed body, which keeps the resources that the body held.
pub struct Read<T> {
    /// The parsed value.
    pub value: T,
    _held: Held,
}

/// The fields that a call takes.
pub struct Fields {
    found: Vec<(&'static str, Field)>,
    _held: Held,
}

/// The value of a field.
enum Field {
    Text(String),
    Number(u64),
    Null,
    /// A value of another type, as it is quoted back.
    Other(String),
}

impl Field {
    fn quoted(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
            Self::Null => "null".to_owned(),
            Self::Other(text) => text.clone(),
        }
    }
}

impl Fields {
    /// Takes required texts that the database can store.
    ///
    /// # Errors
    /// Returns one fault for each that is missing, is not a string, or contains U+0000.
    pub fn texts<const N: usize>(&mut self, names: [&str; N]) -> Result<[String; N], ApiError> {
        let faults: Vec<_> = names
            .iter()
            .filter_map(|name| self.text_fault(name))
            .collect();
        if !faults.is_empty() {
            return Err(ApiError::Faults(faults));
        }
        Ok(names.map(|name| {
            let field = self.found.iter_mut().find(|(of, _)| *of == name);
            match field {
                Some((_, Field::Text(text))) => std::mem::take(text),
                _ => String::new(),
            }
        }))
    }

    fn get(&self, name: &str) -> Option<&Field> {
        let mut found = self.found.iter();
        found.find(|(of, _)| *of == name).map(|(_, field)| field)
    }

    fn text_fault(&self, name: &str) -> Option<ParameterFault> {
        let loc = ["body", name];
        match self.get(name) {
            None => Some(fault("missing", &loc, "Field required", None)),
            Some(Field::Text(text)) => names::no_nul(text)
                .err()
                .map(|sentence| fault("value_error", &loc, &sentence, Some(quoted(text)))),
            Some(other) => {
                let message = "Input should be a valid string";
                Some(fault("string_type", &loc, message, Some(other.quoted())))
            }
        }
    }

    /// The number of the job that the call names, if any.
    ///
    /// # Errors
    /// Returns a fault if it is not a non-negative integer.
    pub fn job_number(&self) -> Result<Option<u64>, ApiError> {
        self.whole_number("number")
    }

    /// A non-negative integer, if the field is present.
    ///
    /// # Errors
    /// Returns a fault if it is anything else.
    pub fn whole_number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        match self.get(name) {
            None | Some(Field::Null) => Ok(None),
            Some(Field::Number(number)) => Ok(Some(*number)),
            Some(other) => {
                let message = "Input should be a valid integer";
                let given = Some(other.quoted());
                Err(ApiError::Faults(vec![fault(
                    "int_type",
                    &["body", name],
                    message,
                    given,
                )]))
            }
        }
    }
}

/// Deserializes an object's fields of these names. If one is repeated, the last one counts.
struct Wanted(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Wanted {
    type Value = Vec<(&'static str, Field)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted {
    type Value = Vec<(&'static str, Field)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: Self::Value = Vec::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.0.iter().find(|name| **name == key) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(name) => {
                    let field = map.next_value()?;
                    found.retain(|(of, _)| of != name);
                    found.push((name, field));
                }
            }
        }
        Ok(found)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyField)
    }
}

struct AnyField;

impl<'de> Visitor<'de> for AnyField {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Field, E> {
        Ok(Field::Text(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
        Ok(u64::try_from(number).map_or_else(|_| Field::Other(number.to_string()), Field::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field, E> {
        Ok(Field::Other(number.to_string()))
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Field, E> {
        Ok(Field::Other(yes.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other("[…]".to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other("{…}".to_owned()))
    }
}

/// Whether a content type is JSON: `application/json` or `application/…+json`.
fn is_json_type(kind: &str) -> bool {
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence
        .strip_prefix("application/")
        .is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_json_whatever_its_case_and_parameters() {
        for kind in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/ld+json",
        ] {
            assert!(is_json_type(kind), "{kind}");
        }
        for kind in ["text/plain", "text/json", "application/jsonp", ""] {
            assert!(!is_json_type(kind), "{kind}");
        }
    }
}

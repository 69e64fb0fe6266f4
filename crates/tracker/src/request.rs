//! Reads queries and JSON bodies, and says exactly what is wrong with them: one fault for each
//! parameter, in the shape of the protocol's 422 answer.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{header, request::Parts},
};
use distcompute_protocol::{ErrorCode, ParameterFault};
use serde_json::{Map, Value};

use crate::{error::ApiError, rules::names};

/// How much of what was given is quoted back.
const QUOTED: usize = 100;

/// The parameters behind the `?`.
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
    /// The parameter, if it was given; given twice, the last one counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The parameters, all of which must be given.
    ///
    /// # Errors
    /// One fault for each that is missing.
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

    /// A whole number from `low` to `high`, or `otherwise` if it is not given.
    ///
    /// # Errors
    /// It is something else.
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
    /// `true` or `false`, or `otherwise` if it is not given.
    ///
    /// # Errors
    /// It is something else.
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

    /// Whole numbers separated by commas, at most so many; `None` if it is not given.
    ///
    /// # Errors
    /// They are something else, or more.
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

/// A JSON object as the body.
pub struct Body(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let declared = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unread(&rejection))?;
        let object = "Input should be a valid dictionary or object to extract fields from";
        let is_json = declared.is_none_or(|kind| kind.to_str().is_ok_and(is_json_type));
        if !is_json {
            let given = Some(quoted(&String::from_utf8_lossy(&bytes)));
            let fault = fault("model_attributes_type", &["body"], object, given);
            return Err(ApiError::Faults(vec![fault]));
        }
        if bytes.is_empty() {
            return Err(ApiError::Faults(vec![fault(
                "missing",
                &["body"],
                "Field required",
                None,
            )]));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(other) => {
                let given = Some(quoted(&other.to_string()));
                let fault = fault("model_attributes_type", &["body"], object, given);
                Err(ApiError::Faults(vec![fault]))
            }
            Err(error) => {
                let message = format!("JSON decode error: {error}");
                Err(ApiError::Faults(vec![fault(
                    "json_invalid",
                    &["body"],
                    &message,
                    None,
                )]))
            }
        }
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

fn unread(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        let sentence = "The body is larger than this tracker takes.".to_owned();
        return ApiError::Said(ErrorCode::TooLarge, sentence);
    }
    if timed_out(rejection) {
        let sentence = "The body came too slowly; the tracker did not wait for its end.".to_owned();
        return ApiError::Said(ErrorCode::TooSlow, sentence);
    }
    let message = format!("The body could not be read: {}", rejection.body_text());
    ApiError::Faults(vec![fault("body_unreadable", &["body"], &message, None)])
}

/// Whether a time limit ended the reading, somewhere below.
pub(crate) fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<tower_http::timeout::TimeoutError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Body {
    /// Reads the body as what the call takes.
    ///
    /// # Errors
    /// A field is missing or of another type.
    pub fn read<T: serde::de::DeserializeOwned>(self) -> Result<T, ApiError> {
        serde_json::from_value(Value::Object(self.0)).map_err(|error| {
            let message = error.to_string();
            ApiError::Faults(vec![fault("value_error", &["body"], &message, None)])
        })
    }

    /// Takes texts that must be there, and that the database can keep, out of the body.
    ///
    /// # Errors
    /// One fault for each that is missing, of another type, or with U+0000 in it.
    pub fn texts<const N: usize>(&mut self, names: [&str; N]) -> Result<[String; N], ApiError> {
        let faults: Vec<_> = names
            .iter()
            .filter_map(|name| self.text_fault(name))
            .collect();
        if !faults.is_empty() {
            return Err(ApiError::Faults(faults));
        }
        Ok(names.map(|name| match self.0.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }))
    }

    fn text_fault(&self, name: &str) -> Option<ParameterFault> {
        let loc = ["body", name];
        match self.0.get(name) {
            None => Some(fault("missing", &loc, "Field required", None)),
            Some(Value::String(text)) => names::no_nul(text)
                .err()
                .map(|sentence| fault("value_error", &loc, &sentence, Some(quoted(text)))),
            Some(other) => {
                let given = Some(quoted(&other.to_string()));
                Some(fault(
                    "string_type",
                    &loc,
                    "Input should be a valid string",
                    given,
                ))
            }
        }
    }

    /// The job that the call names, if it names one.
    ///
    /// # Errors
    /// It is not a whole number from 0 on.
    pub fn job_number(&self) -> Result<Option<u64>, ApiError> {
        self.whole_number("number")
    }

    /// A whole number from 0 on, if it is given.
    ///
    /// # Errors
    /// It is something else.
    pub fn whole_number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                let given = Some(quoted(&value.to_string()));
                let message = "Input should be a valid integer";
                ApiError::Faults(vec![fault("int_type", &["body", name], message, given)])
            }),
        }
    }
}

/// A fault of one parameter.
#[must_use]
pub fn fault(kind: &str, loc: &[&str], msg: &str, input: Option<String>) -> ParameterFault {
    ParameterFault {
        kind: kind.to_owned(),
        loc: loc.iter().map(|part| (*part).to_owned()).collect(),
        msg: msg.to_owned(),
        input,
    }
}

/// What was given, short enough to be sent back.
#[must_use]
pub fn quoted(text: &str) -> String {
    distcompute_protocol::cut(text, QUOTED)
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

//! The messages between the tabs of a browser. Any script of the page's origin may send one, and another tab
//! may run another version of this package.

use super::object::{Made, field, object, text};
use wasm_bindgen::prelude::*;

/// A message from another tab.
pub(crate) enum FromTab {
    /// It has been opened, and asks the tab that computes for its status.
    Hello,
    /// It does not compute any more.
    Gone,
    /// It computes, and this is its status.
    Status(JsValue),
    /// A command of the volunteer, with its argument.
    Command(Name, JsValue),
}

/// The name of a command, which is that of a method of `Volunteer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Start,
    Pause,
    Resume,
    Stop,
    Set,
}

impl Name {
    const ALL: [Self; 5] = [
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Stop,
        Self::Set,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Set => "set",
        }
    }
}

/// Reads a message. `None`: it is none of these.
pub(crate) fn read_from_tab(message: &JsValue) -> Option<FromTab> {
    Some(match text(message, "t")?.as_str() {
        "hello" => FromTab::Hello,
        "gone" => FromTab::Gone,
        "status" => FromTab::Status(field(message, "status")?),
        "word" => {
            let word = text(message, "word")?;
            let name = Name::ALL.into_iter().find(|name| name.as_str() == word)?;
            FromTab::Command(name, field(message, "given").unwrap_or_default())
        }
        _ => return None,
    })
}

pub(crate) fn write_hello() -> Made {
    object().with("t", "hello")
}

pub(crate) fn write_gone() -> Made {
    object().with("t", "gone")
}

pub(crate) fn write_status(status: &JsValue) -> Made {
    object().with("t", "status").with("status", status)
}

pub(crate) fn write_command(name: Name, given: &JsValue) -> Made {
    object()
        .with("t", "word")
        .with("word", name.as_str())
        .with("given", given)
}

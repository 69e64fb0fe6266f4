//! The commands of a page: the methods of `Volunteer`, here or in another tab.

use super::Page;
use crate::web::arguments::{known, require_object, truth};
use crate::web::json::shown;
use crate::web::options::given_nickname;
use crate::web::settings::given_changes;
use crate::web::tabs::{self, Name};
use distcompute_engine::fault::Fault;
use distcompute_engine::page::event::{Command, Event};
use distcompute_engine::settings::Settings;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

impl Page {
    /// Carries out a command of this page, and passes it on: it applies to all tabs.
    ///
    /// # Errors
    /// What is wrong with its argument.
    pub(crate) fn command(self: &Rc<Self>, name: Name, given: &JsValue) -> Result<(), Fault> {
        let command = self.read_command(name, given, given_changes)?;
        self.handle(Event::Command(command));
        self.post(tabs::write_command(name, given));
        Ok(())
    }

    pub(super) fn read_command(
        &self,
        name: Name,
        given: &JsValue,
        settings: fn(&JsValue, &Settings) -> Result<Settings, Fault>,
    ) -> Result<Command, Fault> {
        Ok(match name {
            Name::Start => {
                if !self.supervisor.borrow().is_running() {
                    self.counted.take();
                }
                Command::Start
            }
            Name::Resume => Command::Resume,
            Name::Pause => Command::Pause {
                until: until(given, js_sys::Date::now())?,
            },
            Name::Stop => Command::Stop {
                finish: finish(given)?,
            },
            Name::Set => {
                require_object(given, "settings")?;
                let base = *self.supervisor.borrow().settings();
                let settings = settings(given, &base)?;
                if let Some(nickname) = given_nickname(given)? {
                    self.nickname.replace(nickname);
                }
                Command::Set(settings)
            }
        })
    }
}

/// When a pause ends.
fn until(for_ms: &JsValue, wall: f64) -> Result<Option<f64>, Fault> {
    if for_ms.is_undefined() || for_ms.is_null() {
        return Ok(None);
    }
    match for_ms.as_f64() {
        Some(ms) if ms >= 0.0 => Ok((ms < f64::INFINITY).then_some(wall + ms)),
        _ => {
            let what = "pause takes a number of milliseconds, 0 or more, or nothing; it was given ";
            Err(Fault::argument([what, &shown(for_ms), "."].concat()))
        }
    }
}

/// The option of `stop`.
fn finish(options: &JsValue) -> Result<bool, Fault> {
    if options.is_undefined() || options.is_null() {
        return Ok(false);
    }
    require_object(options, "the options of stop")?;
    known(options, "option of stop", &["finish"])?;
    Ok(truth(options, "finish")?.unwrap_or(false))
}

//! What the answer to a request means: success, a refusal, or a failure after which to try again.

use distcompute_protocol::ErrorCode;

use crate::client::call::{Call, Meaning};
use crate::client::probe::Finding;
use crate::fault::{Code, Fault, Kind};
use crate::hub::action::{Parsed, TrackerResponse};
use crate::hub::session::refusals::Blame;

/// What an answer means for the request that it belongs to.
pub(super) enum Reply {
    /// It has succeeded, with this content.
    Done(Parsed),
    /// It had succeeded before.
    DoneBefore,
    /// It may succeed later.
    Later {
        fault: Fault,
        retry_after_ms: Option<u32>,
        /// How likely it failed because of the outcomes in it.
        blame: Blame,
    },
    /// The tracker refuses.
    Refused(Fault),
}

/// Interprets the answer to a request of this kind.
pub(super) fn read_reply(call: Call, response: TrackerResponse) -> Reply {
    let later = |code, text: String| Reply::Later {
        fault: Fault::new(Kind::Unreachable, code, text),
        retry_after_ms: None,
        blame: Blame::None,
    };
    match response {
        TrackerResponse::NotReached(what) => later(Code::Unreachable, what),
        TrackerResponse::Found(finding, fault) => Reply::Later {
            fault,
            retry_after_ms: None,
            blame: match finding {
                Finding::Here => Blame::Likely,
                _ => Blame::None,
            },
        },
        TrackerResponse::TimedOut => later(Code::Timeout, "No answer came in time.".to_owned()),
        TrackerResponse::Answered(answer, parsed) => match (call.meaning(&answer), parsed) {
            (Meaning::Done, Parsed::Unreadable(why)) => later(Code::BadAnswer, why),
            (Meaning::Done, parsed) => Reply::Done(parsed),
            (Meaning::DoneBefore, _) => Reply::DoneBefore,
            (Meaning::Later(fault), _) => Reply::Later {
                fault,
                retry_after_ms: answer.retry_after_ms,
                // A busy tracker names a code or a time to wait; a proxy that refuses what was sent does not.
                blame: if answer.code.is_some() || answer.retry_after_ms.is_some() {
                    Blame::None
                } else {
                    Blame::Maybe
                },
            },
            // The answer of a captive portal, a proxy, or a tracker that is being moved: this may pass.
            (Meaning::Failed(fault), _) if is_passing(&fault) => Reply::Later {
                // A request for a login does not depend on what was sent.
                blame: match answer.status {
                    200 | 401 | 407 | 511 => Blame::None,
                    500.. => Blame::Maybe,
                    _ => Blame::Surely,
                },
                fault,
                retry_after_ms: answer.retry_after_ms,
            },
            (Meaning::Failed(fault), _) => Reply::Refused(fault),
        },
    }
}

fn is_passing(fault: &Fault) -> bool {
    let kind = matches!(fault.kind, Kind::Server | Kind::Unreachable | Kind::Timeout);
    (kind && fault.code != Code::Tracker(ErrorCode::Superseded))
        || matches!(fault.code, Code::NotATracker)
}

/// Whether a refusal says that the tracker does not know the token.
pub(super) fn is_unknown(fault: &Fault) -> bool {
    fault.code == Code::Tracker(ErrorCode::WorkerUnknown)
}

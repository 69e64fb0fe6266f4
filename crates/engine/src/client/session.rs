//! One registered worker and the job that it holds; saving and restoring it.

use crate::client::address::{Address, encode};
use crate::client::call::may_be_json;
use crate::fault::{Code, Fault, Kind};
use distcompute_protocol::{
    JSON_MARK, MAX_NICKNAME, MAX_PROGRESS, NewJob, NewWorker, Stage, cut, is_join_key,
};
use serde::{Deserialize, Serialize};

/// The format of [`Dump`]; it changes when an older library could not read a newer dump.
pub const DUMP_VERSION: u64 = 1;

/// A number that JavaScript holds exactly: 2^53 - 1.
const LARGEST_NUMBER: u64 = (1 << 53) - 1;

/// What `init` was asked for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Where the tracker is.
    pub url: Address,
    /// The stage to work at.
    pub stage: Stage,
    /// The volunteer's public name.
    pub nickname: String,
}

impl Registration {
    /// Checks the arguments of `init`.
    ///
    /// # Errors
    /// `InvalidURLError` or `InvalidArgumentError`, with what would have been right.
    pub fn check(url: &str, stage: &str, nickname: &str) -> Result<Self, Fault> {
        Ok(Self {
            url: Address::parse(url)?,
            stage: check_stage(stage)?,
            nickname: check_nickname(nickname)?,
        })
    }
}

/// The first letter counts, small or capital, as in the Python library.
fn check_stage(text: &str) -> Result<Stage, Fault> {
    let letter: String = text
        .trim_ascii()
        .to_ascii_lowercase()
        .chars()
        .take(1)
        .collect();
    letter.parse().map_err(|_| {
        Fault::argument(format!(
            "stage is \"{text}\"; it must be one of \"a\", \"b\", \"c\", \"d\", \"e\"."
        ))
    })
}

/// A nickname.
///
/// # Errors
/// `InvalidArgumentError` for one that is too long, or contains U+0000.
pub fn check_nickname(text: &str) -> Result<String, Fault> {
    if text.as_bytes().contains(&0) {
        return Err(Fault::argument(
            "nickname contains the character U+0000, which trackers cannot store.",
        ));
    }
    let length = text.chars().count();
    if length > MAX_NICKNAME {
        return Err(Fault::argument(format!(
            "nickname has {length} characters; at most {MAX_NICKNAME} are allowed."
        )));
    }
    Ok(text.to_owned())
}

/// Checks the join key of a project that is not for everybody. It goes into a header.
///
/// # Errors
/// `InvalidArgumentError` for a text that is the key of no tracker.
pub fn check_join_key(text: String) -> Result<String, Fault> {
    if is_join_key(&text) {
        return Ok(text);
    }
    Err(Fault::argument(
        "joinKey must be of 16 to 128 letters, digits, '-', '.', '_' and '~'. Is it whole?",
    ))
}

/// Checks a progress line, and cuts it to what every tracker takes: an older one answers a longer
/// line as if the worker had timed out.
///
/// # Errors
/// `InvalidArgumentError` for a text with U+0000.
pub fn check_progress(text: &str) -> Result<String, Fault> {
    if text.as_bytes().contains(&0) {
        return Err(Fault::argument(
            "progress contains the character U+0000, which trackers cannot store.",
        ));
    }
    Ok(cut(text, MAX_PROGRESS))
}

/// Checks the text of an output that is a string.
///
/// # Errors
/// `InvalidArgumentError` for a text with U+0000.
pub fn text_output(text: String) -> Result<String, Fault> {
    if text.as_bytes().contains(&0) {
        return Err(Fault::argument(
            "data contains the character U+0000, which trackers cannot store. Encode binary \
             data, for example as base64.",
        ));
    }
    Ok(text)
}

/// Marks the JSON of an output. `None` is what has no JSON, for example a function.
///
/// # Errors
/// `InvalidArgumentError` for anything but an object or an array.
pub fn json_output(json: Option<&str>) -> Result<String, Fault> {
    match json {
        Some(json) if may_be_json(json) => Ok(format!("{JSON_MARK}{json}")),
        _ => Err(Fault::argument(
            "data must be a string, or something whose JSON is an object or an array.",
        )),
    }
}

/// A job whose data says that it is JSON and is not.
#[must_use]
pub fn bad_job_data(number: u64, why: &str) -> Fault {
    Fault::new(
        Kind::Server,
        Code::BadJobData,
        format!(
            "Job {number} is held, but its data says that it is JSON and is not ({why}). Call \
             flagInvalidData() to have it made again."
        ),
    )
}

/// Checks a registration that the tracker answered with.
///
/// # Errors
/// A token that [`Session::restore`] would not take back.
pub fn check_worker(worker: NewWorker) -> Result<NewWorker, Fault> {
    if is_token(&worker.token) {
        Ok(worker)
    } else {
        Err(Fault::bad_answer("The tracker's answer holds no token."))
    }
}

/// Checks a job that the tracker answered with.
///
/// # Errors
/// A number that [`Session::restore`] would not take back.
pub fn check_job(job: NewJob) -> Result<NewJob, Fault> {
    if is_job_number(job.number) {
        Ok(job)
    } else {
        Err(Fault::bad_answer(
            "The tracker's answer holds no job's number.",
        ))
    }
}

fn is_token(text: &str) -> bool {
    (1..=256).contains(&text.len())
}

fn is_job_number(number: u64) -> bool {
    (1..=LARGEST_NUMBER).contains(&number)
}

/// One registered worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Where, at which stage, under which name.
    pub registration: Registration,
    /// What the tracker said when it registered the worker.
    pub worker: NewWorker,
    /// The job that the worker holds.
    pub job: Option<NewJob>,
    /// Whether to write what happens to the console.
    pub verbose: bool,
}

impl Session {
    /// The number of the job that the worker holds.
    #[must_use]
    pub fn job_number(&self) -> Option<u64> {
        self.job.as_ref().map(|job| job.number)
    }

    /// The address of this worker's page, for people. `stage_name` is the stage's name in lower
    /// case: the browser knows how to, and the tables that Rust would need are large.
    #[must_use]
    pub fn worker_url(&self, stage_name: &str) -> String {
        self.registration.url.join(&format!(
            "/worker/{}/{}",
            encode(stage_name),
            encode(&self.worker.display_name)
        ))
    }

    /// The session as plain data.
    #[must_use]
    pub fn dump(&self) -> Dump {
        let worker = self.worker.clone();
        Dump {
            version: DUMP_VERSION,
            url: self.registration.url.as_str().to_owned(),
            stage: self.registration.stage.letter().to_owned(),
            nickname: self.registration.nickname.clone(),
            verbose: self.verbose,
            token: worker.token,
            display_name: worker.display_name,
            project: worker.project,
            stage_name: worker.stage_name,
            job_id: self.job_number(),
            job_data: self.job.as_ref().and_then(|job| job.data.clone()),
        }
    }

    /// Checks a dump and makes it a session again.
    ///
    /// # Errors
    /// `DumpError`, with the field that is wrong.
    pub fn restore(dump: Dump) -> Result<Self, Fault> {
        if dump.version != DUMP_VERSION {
            return Err(bad_dump(&format!(
                "it is of version {}, and this library reads version {DUMP_VERSION}",
                dump.version
            )));
        }
        if !is_token(&dump.token) {
            return Err(bad_dump("its token is not one"));
        }
        if dump.job_id.is_some_and(|id| !is_job_number(id)) {
            return Err(bad_dump("its jobId is not the number of a job"));
        }
        if dump.job_id.is_none() && dump.job_data.is_some() {
            return Err(bad_dump("it has data of a job but no jobId"));
        }
        let registration = Registration::check(&dump.url, &dump.stage, &dump.nickname)
            .map_err(|fault| bad_dump(&fault.message))?;
        Ok(Self {
            registration,
            worker: NewWorker {
                token: dump.token,
                display_name: dump.display_name,
                project: dump.project,
                stage_name: dump.stage_name,
            },
            job: dump.job_id.map(|number| NewJob {
                number,
                data: dump.job_data,
            }),
            verbose: dump.verbose,
        })
    }
}

/// A value that is not a dump, and why.
#[must_use]
pub fn bad_dump(why: &str) -> Fault {
    Fault::new(
        Kind::Dump,
        Code::InvalidDump,
        format!("This is not a dump that load() can take: {why}. Pass what dump() returned."),
    )
}

/// A session as plain data: what `dump()` returns and `load()` takes, named as JavaScript names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(
    missing_docs,
    reason = "each field is the member of Client with that name"
)]
pub struct Dump {
    pub version: u64,
    pub url: String,
    pub stage: String,
    pub nickname: String,
    pub verbose: bool,
    pub token: String,
    pub display_name: String,
    pub project: String,
    pub stage_name: String,
    pub job_id: Option<u64>,
    pub job_data: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            registration: Registration::check("https://t.example/", "Banana", "AWS Pod 3")
                .expect("good arguments"),
            worker: NewWorker {
                token: "secret".into(),
                display_name: "hematin-hanking-71".into(),
                project: "LAION-5B".into(),
                stage_name: "Big GPU".into(),
            },
            job: Some(NewJob {
                number: 7,
                data: Some("<!json!>[1]".into()),
            }),
            verbose: false,
        }
    }

    #[test]
    fn the_first_letter_of_the_stage_counts_as_in_python() {
        assert_eq!(session().registration.stage, Stage::B);
        for stage in ["", " ", "x", "GPU", "ä"] {
            let fault = check_stage(stage).expect_err(stage);
            assert_eq!(fault.kind, Kind::InvalidArgument);
        }
    }

    #[test]
    fn a_nickname_that_an_older_tracker_would_choke_on_is_refused() {
        assert!(check_nickname(&"ä".repeat(128)).is_ok());
        for nickname in ["ä".repeat(129), "x".repeat(10_000), "a\0b".into()] {
            let fault = check_nickname(&nickname).expect_err("refused");
            assert_eq!(fault.kind, Kind::InvalidArgument);
        }
    }

    #[test]
    fn a_join_key_that_no_header_takes_is_refused_without_repeating_it() {
        assert!(check_join_key("0123456789abcdef".into()).is_ok());
        for key in ["", "too-short", "0123456789abcde\r\nx: y"] {
            let fault = check_join_key(key.into()).expect_err("refused");
            assert_eq!(fault.kind, Kind::InvalidArgument);
            assert!(key.is_empty() || !fault.message.contains(key));
        }
    }

    #[test]
    fn a_long_progress_line_is_cut_and_never_sent_whole() {
        let line = check_progress(&"x".repeat(10_000)).expect("cut");
        assert_eq!(line.chars().count(), 255);
        assert!(check_progress("a\0").is_err());
        assert!(text_output("a\0".into()).is_err());
        assert_eq!(json_output(Some("[1]")), Ok("<!json!>[1]".into()));
        for no_output in [None, Some("7"), Some("null"), Some("\"text\"")] {
            assert!(json_output(no_output).is_err(), "{no_output:?}");
        }
    }

    #[test]
    fn the_workers_page_is_where_the_tracker_has_it() {
        assert_eq!(
            session().worker_url("große gpu"),
            "https://t.example/worker/gro%C3%9Fe%20gpu/hematin-hanking-71"
        );
    }

    #[test]
    fn what_could_not_be_restored_is_not_taken_from_a_tracker_either() {
        let worker = session().worker;
        assert_eq!(check_worker(worker.clone()), Ok(worker.clone()));
        for token in [String::new(), "x".repeat(257)] {
            assert!(
                check_worker(NewWorker {
                    token,
                    ..worker.clone()
                })
                .is_err()
            );
        }
        for number in [0, 1 << 53] {
            assert!(check_job(NewJob { number, data: None }).is_err());
        }
    }

    #[test]
    fn a_session_comes_back_from_its_dump_as_it_was() {
        let session = session();
        assert_eq!(Session::restore(session.dump()), Ok(session));
    }

    #[test]
    fn a_dump_that_was_tampered_with_is_refused_with_what_is_wrong() {
        type Change = fn(&mut Dump);
        let changes: [(Change, &str); 8] = [
            (|d| d.version = 2, "version 2"),
            (|d| d.token.clear(), "token"),
            (|d| d.token = "x".repeat(257), "token"),
            (|d| d.url = "nonsense".into(), "scheme"),
            (|d| d.stage = "z".into(), "stage"),
            (|d| d.nickname = "x".repeat(129), "nickname"),
            (|d| d.job_id = Some(0), "jobId"),
            (|d| d.job_id = None, "no jobId"),
        ];
        for (change, why) in changes {
            let mut dump = session().dump();
            change(&mut dump);
            let fault = Session::restore(dump).expect_err(why);
            assert_eq!(fault.code, Code::InvalidDump);
            assert!(fault.message.contains(why), "{}", fault.message);
        }
    }
}

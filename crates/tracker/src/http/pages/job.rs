//! The page of one job: its inputs, its leases and their outcome, and its failures.

use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
    routing::get,
};
use distcompute_protocol::{ErrorCode, Stage};
use maud::{Markup, html};

use super::page::{self, Location, grouped, moment};
use crate::{
    admission::admin::is_admin,
    error::ApiError,
    files::addresses::Addresses,
    rules::names,
    state::App,
    store::{End, JOB_LEASES, JobFile, JobLease, JobRow, JobText, State as JobState},
};

/// The route of a job's page.
pub fn router() -> Router<App> {
    Router::new().route("/job/{number}", get(job))
}

/// The address of a job's page, relative to the tracker's root.
#[must_use]
pub fn address(number: u64) -> String {
    format!("./job/{number}")
}

async fn job(
    State(app): State<App>,
    path: Result<Path<u64>, PathRejection>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::Explained(ErrorCode::NotFound, "Job not found.".to_owned());
    let Ok(Path(number)) = path else {
        return Err(unknown());
    };
    let row = app.store.job(number).await?.ok_or_else(unknown)?;
    let is_operator = is_admin(&app.settings, &request);
    let may_read = app.settings.public_results || is_operator;
    // Also those that no result names.
    let files = match is_operator && app.files.objects().is_some() {
        true => app.store.files_of_job(number, SHOWN_FILES).await?,
        false => Vec::new(),
    };
    let files = match files.is_empty() {
        true => None,
        false => Some((files, app.addresses().await?)),
    };
    let main = html! {
        h1 { "Job #" (row.number) }
        (facts(&row))
        (failures(&row))
        (leases(&row))
        @if may_read {
            (texts(&row))
            @if let Some((files, addresses)) = &files {
                (files_of(files, addresses))
            }
        } @else {
            p.quiet {
                "The inputs and results of this project are not public; whoever shows the admin token "
                "sees them here."
            }
        }
    };
    let title = format!("Job {}", row.number);
    Ok(page::page(
        &app,
        &request,
        Location::Below(1),
        &title,
        &main,
    ))
}

fn facts(row: &JobRow) -> Markup {
    html! {
        dl.facts {
            div {
                dt { "State" }
                dd {
                    @match row.state {
                        // Whoever holds it must not see whether somebody else has done it.
                        JobState::Open | JobState::Waiting => { "open" }
                        JobState::Held => { "in work" }
                        JobState::Closed => { "finished" }
                        JobState::Aside => { "set aside" }
                    }
                }
            }
            div { dt { "Stage" } dd { span.letter { (row.stage) } } }
            @if let Some(reason) = &row.reason {
                div { dt { "Why" } dd { (reason) } }
            }
            div { dt { "Handed out" } dd { (grouped(row.attempt)) " times at this stage" } }
            div { dt { "Failures" } dd { (grouped(row.failures)) " at this stage" } }
            div { dt { "Made again" } dd { (grouped(row.sent_back)) " times" } }
            @if row.changed_at > 0 {
                div { dt { "Last changed" } dd { (moment(row.changed_at)) } }
            }
        }
    }
}

fn failures(row: &JobRow) -> Markup {
    let shown = || {
        row.errors
            .iter()
            .rev()
            .filter(|error| !error.text.is_empty())
    };
    html! {
        section aria-labelledby="failures-title" {
            h2 #failures-title { "What went wrong" }
            @if shown().next().is_none() && row.flags.is_empty() {
                p.quiet { "Nothing at this stage." }
            }
            ul {
                @for error in shown() {
                    li {
                        (moment(error.at)) ", " bdi { (names::legible(&error.nickname)) }
                        @if error.flagged { " called the input bad" }
                        ": " (error_text(&error.text))
                    }
                }
                @for (stage, nickname, at) in &row.flags {
                    li {
                        (moment(*at)) ", " bdi { (names::legible(nickname)) } " flagged the input of stage "
                        span.letter { (stage) }
                    }
                }
            }
        }
    }
}

/// The first line of an error, with the remaining lines in a collapsible element.
pub(super) fn error_text(text: &str) -> Markup {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    html! {
        @if rest.is_empty() {
            bdi { (first) }
        } @else {
            details {
                summary { bdi { (first) } }
                pre { (rest) }
            }
        }
    }
}

/// Describes how a lease ended.
pub(super) fn ending(end: End) -> &'static str {
    match end {
        End::Completed => "result accepted",
        End::Opinion => "another opinion",
        End::Flagged => "called the input bad",
        End::Failed => "failed",
        End::Released => "given back",
        End::Left => "said goodbye",
        End::Idle => "worker timed out",
        End::Lapsed => "lease expired without a sync",
        End::Overtaken => "an earlier result arrived",
        End::Requeued => "taken back by the operator",
    }
}

/// The leases that everybody may see. An opinion on a job that waits for others, or is held by somebody who gives
/// another one, would tell that one whose result it is checking.
fn shown(row: &JobRow) -> Vec<&JobLease> {
    let is_settled = matches!(row.state, JobState::Closed | JobState::Aside);
    let is_secret = |lease: &JobLease| {
        let is_opinion = matches!(lease.ended, Some((_, End::Opinion)));
        is_opinion && lease.stage == row.stage && !is_settled
    };
    let leases = row.leases.iter();
    leases.filter(|lease| !is_secret(lease)).collect()
}

fn leases(row: &JobRow) -> Markup {
    let shown = shown(row);
    html! {
        section aria-labelledby="leases-title" {
            h2 #leases-title { "Who had it" }
            @if shown.is_empty() {
                p.quiet { "Nobody, or the record of it was pruned." }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="leases-title" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Stage" }
                                th scope="col" { "Nickname" }
                                th scope="col" { "Worker" }
                                th scope="col" { "From" }
                                th scope="col" { "Until" }
                                th scope="col" { "What became of it" }
                            }
                        }
                        tbody {
                            @for lease in &shown {
                                tr {
                                    td { span.letter { (lease.stage) } }
                                    td.name { bdi { (names::legible(&lease.nickname)) } }
                                    td { @if lease.worker.is_empty() { span.quiet { "gone" } } @else { (lease.worker) } }
                                    td.when { (moment(lease.granted_at)) }
                                    @if let Some((at, end)) = lease.ended {
                                        td.when { (moment(at)) }
                                        td { (ending(end)) }
                                    } @else {
                                        td { span.quiet { "–" } }
                                        td { "in work" }
                                    }
                                }
                            }
                        }
                    }
                }
                @if row.leases.len() as u64 == u64::from(JOB_LEASES) {
                    p.quiet { "Only the last " (JOB_LEASES) " are shown." }
                }
            }
        }
    }
}

/// How many files of a job are listed.
const SHOWN_FILES: u32 = 1_000;

fn files_of(files: &[JobFile], addresses: &Addresses) -> Markup {
    html! {
        @if !files.is_empty() {
            section aria-labelledby="files-title" {
                h2 #files-title { "Files" }
                div.scroll tabindex="0" role="region" aria-labelledby="files-title" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Name" }
                                th scope="col" { "Bytes" }
                            }
                        }
                        tbody {
                            @for file in files {
                                tr {
                                    td.name { a href=(addresses.of_file_below(1, &file.hash)) { (file.hash) } }
                                    td { (grouped(file.bytes)) }
                                }
                            }
                        }
                    }
                }
                p.quiet { "Downloads of what volunteers have made: open them with care." }
            }
        }
    }
}

fn texts(row: &JobRow) -> Markup {
    html! {
        @for text in &row.texts {
            @let id = format!("text-{}", text.stage);
            section aria-labelledby=(id) {
                h2 id=(id) { (text_name(text)) }
                pre { (text.text) }
                @let shown = text.text.chars().count() as u64;
                @if shown < text.length {
                    p.quiet { "The first " (grouped(shown)) " of " (grouped(text.length)) " characters." }
                }
            }
        }
    }
}

/// Names the text after the stage that produced it: a stage's output is the next stage's input.
fn text_name(text: &JobText) -> String {
    let stage = |index: u64| Stage::ALL.get(usize::try_from(index).unwrap_or(usize::MAX));
    let before = text.stage.checked_sub(1).and_then(stage);
    match (before, stage(text.stage)) {
        (Some(before), _) => format!("Result of stage {before}"),
        (None, Some(first)) => format!("Input of stage {first}"),
        (None, None) => "Result".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opinion_is_secret_until_the_job_is_settled() {
        let lease = |stage, end| JobLease {
            stage,
            nickname: "Ann".to_owned(),
            worker: String::new(),
            granted_at: 1,
            ended: Some((2, end)),
        };
        let row = |state| JobRow {
            state,
            stage: Stage::B,
            leases: vec![
                lease(Stage::A, End::Opinion),
                lease(Stage::B, End::Opinion),
                lease(Stage::B, End::Failed),
            ],
            number: 1,
            attempt: 0,
            failures: 0,
            sent_back: 0,
            reason: None,
            errors: Vec::new(),
            changed_at: 0,
            texts: Vec::new(),
            flags: Vec::new(),
        };
        for state in [JobState::Open, JobState::Held, JobState::Waiting] {
            let row = row(state);
            let ends: Vec<_> = shown(&row).iter().map(|lease| lease.ended).collect();
            assert_eq!(ends, [Some((2, End::Opinion)), Some((2, End::Failed))]);
            assert!(
                shown(&row)
                    .iter()
                    .all(|lease| lease.stage == Stage::A || lease.ended != Some((2, End::Opinion)))
            );
        }
        assert_eq!(shown(&row(JobState::Closed)).len(), 3);
        assert_eq!(shown(&row(JobState::Aside)).len(), 3);
    }
}

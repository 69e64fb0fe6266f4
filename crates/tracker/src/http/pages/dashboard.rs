//! The dashboard: the project's progress, and its volunteers.

use axum::{Router, extract::State, http::HeaderMap, response::Response, routing::get};
use distcompute_protocol::{StageStatus, StatusInfo};
use maud::{Markup, html};

use super::{
    job,
    page::{self, Location, Part, grouped, moment, pager, worker_address},
};
use crate::{
    error::ApiError,
    http::request::Query,
    operations::status,
    rules::{
        estimate,
        names::{self, Looks},
        throughput::{self, Throughput},
    },
    state::App,
    store::{AsideRow, BrowserPair, FailureRow, Start, WorkerRow},
};

/// The height of the chart, in SVG user units.
const CHART: u32 = 100;

/// How many minutes the chart covers.
const MINUTES: u32 = throughput::MINUTES as u32;

/// How many failures the dashboard lists.
const FAILURES: u32 = 20;

/// How many pairs of browsers the dashboard lists.
const BROWSERS: u32 = 20;

/// The route of the dashboard.
pub fn router() -> Router<App> {
    Router::new().route("/", get(dashboard))
}

/// The position of each table, from the query.
#[derive(Debug)]
struct Positions {
    /// The position in the workers' tables, by stage.
    workers: Vec<Start<u64>>,
    aside: Start<u64>,
}

async fn dashboard(
    State(app): State<App>,
    query: Query,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let stages = app.settings.stages.iter();
    let positions = Positions {
        workers: stages
            .map(|(stage, _)| page::start(query.get(stage.letter())))
            .collect(),
        aside: page::start(query.get("aside")),
    };
    let name = format!("{positions:?}");
    let made = app
        .response_cache
        .get(name, app.timeouts.page_age, make(&app, &positions));
    Ok(page::answer(&request, &made.await?))
}

async fn make(app: &App, positions: &Positions) -> Result<String, ApiError> {
    let status = app.store.status().await?;
    let info = status::summary(&app.settings, &status);
    let made = app.store.throughput(MINUTES).await?;
    let made = made.iter().map(|row| (row.minute, row.done));
    let throughput = Throughput::new(status.now.div_euclid(60_000), made);
    let mut workers = Vec::new();
    for (stage, start) in info.stages.iter().zip(&positions.workers) {
        let asked = page::asked(start.clone());
        let rows = app.store.workers(stage.stage, asked).await?;
        workers.push(Part::new(rows, start, |row| row.id));
    }
    let looks = looks(app, &workers).await?;
    let failures = app.store.failures(FAILURES).await?;
    let browsers = app.store.browser_pairs(BROWSERS).await?;
    let aside = if info.set_aside > 0 {
        let asked = page::asked(positions.aside.clone());
        app.store.set_aside(asked).await?
    } else {
        Vec::new()
    };
    let aside = Part::new(aside, &positions.aside, |row| row.number);

    // A link to another page of one table keeps the positions of the others.
    let link = |what: &str, to: Option<&str>| {
        let shown = info.stages.iter().map(|stage| stage.stage.letter());
        let parts = workers.iter().map(|part| part.here.as_deref());
        let pairs: Vec<_> = shown
            .chain(["aside"])
            .zip(parts.chain([aside.here.as_deref()]))
            .map(|(name, here)| (name, if name == what { to } else { here }))
            .filter_map(|(name, part)| Some(format!("{name}={}", part?)))
            .collect();
        let query = if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        };
        let anchor = if what == "aside" {
            what.to_owned()
        } else {
            format!("stage-{what}")
        };
        format!("./{query}#{anchor}")
    };
    let main = html! {
        (overview(app, &info))
        (paused(&info.stages))
        (throughput_chart(&throughput))
        (stages(&info))
        (outcomes(&info.stages))
        @if !failures.is_empty() {
            (latest_failures(&failures))
        }
        @if !browsers.is_empty() {
            (disagreeing(&browsers))
        }
        @if let Some(path) = &app.settings.preview {
            section aria-labelledby="preview-title" {
                h2 #preview-title { "Results so far" }
                iframe.preview src=(page::link(Location::Dashboard, path)) title="Results so far" loading="lazy" data-fixed="" {}
            }
        }
        @for (stage, part) in info.stages.iter().zip(&workers) {
            (connected(stage, part, &looks, &|to| link(stage.stage.letter(), to)))
        }
        @if info.set_aside > 0 {
            (set_aside(&info, &aside, &|to| link("aside", to)))
        }
    };
    Ok(page::html(app, Location::Dashboard, "Dashboard", &main))
}

/// Finds which of these workers have nicknames that resemble an older one. The oldest holder of a
/// name is the one in the leaderboard, otherwise the one that registered first.
async fn looks(app: &App, workers: &[Part<WorkerRow>]) -> Result<Looks, ApiError> {
    let mut rows: Vec<_> = workers.iter().flat_map(|part| &part.rows).collect();
    rows.sort_by_key(|row| row.first_seen);
    let seen = rows.iter().map(|row| names::look(&row.nickname));
    let mut looks = Looks::new(app.store.first_names(seen.collect()).await?);
    looks.add(rows.iter().map(|row| row.nickname.as_str()));
    Ok(looks)
}

fn overview(app: &App, info: &StatusInfo) -> Markup {
    let done: u64 = info.stages.iter().map(|stage| stage.done).sum();
    let all = info.jobs * info.stages.len() as u64;
    let share = estimate::completion(done, all.saturating_sub(status::not_to_come(info)));
    let left = if info.jobs == 0 {
        "no jobs yet".to_owned()
    } else if info.jobs == info.closed {
        "all done".to_owned()
    } else {
        match (info.estimate_s, info.estimate_unknown) {
            (Some(seconds), _) => estimate::in_words(seconds),
            (None, Some(why)) => format!("unknown: {}", estimate::why_unknown(why)),
            (None, None) => "unknown".to_owned(),
        }
    };
    html! {
        section.overview aria-labelledby="project-title" {
            h1 #project-title { (info.project) }
            @if !app.settings.description.is_empty() {
                p.description { (app.settings.description) }
            }
            @if let Some(path) = &app.settings.volunteer_page {
                p { a.button.large href=(page::link(Location::Dashboard, path)) { "Volunteer your computer" } }
            }
            div.completion {
                p.percent #percent { strong { (estimate::percent(share)) } " complete" }
                progress max="10000" value=(share) aria-labelledby="percent" {}
            }
            dl.figures {
                (figure("Jobs finished", &html! { (grouped(info.closed)) small { " of " (grouped(info.jobs)) } }))
                (figure("Time left", &html! { (left) }))
                (figure("Active volunteers", &html! { (grouped(info.volunteers)) }))
                @if info.set_aside > 0 {
                    (figure("Set aside", &html! { a href="#aside" { (grouped(info.set_aside)) } }))
                }
                (checks(&info.stages))
            }
        }
    }
}

/// What the checks of results have found, if there are any.
fn checks(stages: &[StageStatus]) -> Markup {
    let sum = |count: fn(&StageStatus) -> u64| stages.iter().map(count).sum::<u64>();
    let waiting = sum(|stage| stage.waiting);
    let checked = sum(|stage| stage.checked);
    let figures = [
        ("Disputed", sum(|stage| stage.disputed)),
        ("Found wrong", sum(|stage| stage.wrong)),
        ("Volunteers on hold", sum(|stage| stage.on_hold)),
    ];
    html! {
        @if waiting + checked > 0 {
            (figure("Results checked", &html! {
                (grouped(checked))
                @if waiting > 0 { small { " and " (grouped(waiting)) " waiting" } }
            }))
        }
        @for (name, count) in figures {
            @if count > 0 {
                (figure(name, &html! { (grouped(count)) }))
            }
        }
    }
}

/// Says which stages are paused, and why.
fn paused(stages: &[StageStatus]) -> Markup {
    html! {
        @for stage in stages {
            @if let Some(reason) = &stage.paused {
                section aria-labelledby=(format!("paused-{}", stage.stage)) {
                    h2 id=(format!("paused-{}", stage.stage)) {
                        "Stage " span.letter { (stage.stage) } " " (stage.name) " is paused"
                    }
                    @if !reason.is_empty() {
                        p { bdi { (reason) } }
                    }
                    @if stage.paused_by_operator {
                        p.quiet { "The operator has paused it. Results of jobs that were begun before are accepted." }
                    } @else {
                        p.quiet { "It resumes with the first result of a volunteer who has not failed there, or when the operator resumes it." }
                    }
                }
            }
        }
    }
}

/// The most recent failures, latest first.
fn latest_failures(rows: &[FailureRow]) -> Markup {
    html! {
        section aria-labelledby="failures-title" {
            h2 #failures-title { "Latest failures" }
            div.scroll tabindex="0" role="region" aria-labelledby="failures-title" {
                table {
                    thead {
                        tr {
                            th.number scope="col" { "Job" }
                            th scope="col" { "Stage" }
                            th scope="col" { "Volunteer" }
                            th scope="col" { "When" }
                            th scope="col" { "What went wrong" }
                        }
                    }
                    tbody {
                        @for row in rows {
                            tr data-key=(row.id) {
                                th.number scope="row" {
                                    // Job number 0 stands for a failed setup, which happens before
                                    // there is a job.
                                    @if row.number == 0 { "setup" } @else {
                                        a href=(job::address(row.number)) { "#" (row.number) }
                                    }
                                }
                                td { span.letter { (row.stage) } }
                                td.name { bdi { (names::legible(&row.nickname)) } }
                                td.when { (moment(row.at)) }
                                td {
                                    @if row.error.is_empty() {
                                        @if let Some(end) = row.end { (job::ending(end)) }
                                    } @else {
                                        (job::error_text(&row.error))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Kinds of browsers whose outputs for the same job differed, those that did so most often first.
fn disagreeing(pairs: &[BrowserPair]) -> Markup {
    html! {
        section aria-labelledby="browsers-title" {
            h2 #browsers-title { "Browsers that disagree" }
            p.quiet {
                "How often outputs for the same job differed, by the browsers that computed them. If nearly all "
                "of two kinds differ, the browsers do not compute the same, and no volunteer is to blame."
            }
            div.scroll tabindex="0" role="region" aria-labelledby="browsers-title" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Browsers" }
                            th scope="col" { "Stage" }
                            th.number scope="col" { "Differed" }
                        }
                    }
                    tbody {
                        @for pair in pairs {
                            @let (one, other) = &pair.browsers;
                            tr data-key=(format!("{} {one} {other}", pair.stage)) {
                                th scope="row" { bdi { (one) } " and " bdi { (other) } }
                                td { span.letter { (pair.stage) } }
                                td.number { (grouped(pair.differed)) " of " (grouped(pair.agreed + pair.differed)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A bar chart of the last hour, one bar per minute. Styled by attributes and classes only: the
/// content security policy forbids inline styles, and the colours follow the reader's theme.
fn throughput_chart(throughput: &Throughput) -> Markup {
    let (sum, most) = (throughput.sum(), throughput.most());
    let summary = if sum == 0 {
        "No results in the last hour.".to_owned()
    } else {
        format!(
            "{} results in the last hour, at most {} in a minute.",
            grouped(sum),
            grouped(most)
        )
    };
    html! {
        section.throughput aria-labelledby="throughput-title" {
            h2 #throughput-title { "The last hour" }
            p.quiet #throughput-summary { (summary) }
            @if sum > 0 {
                div.plot {
                p.axis aria-hidden="true" { span { "Results a minute" } }
                p.scale aria-hidden="true" { span { (grouped(throughput.most())) } span { "0" } }
                svg.chart viewBox=(format!("0 0 {} {CHART}", 10 * MINUTES)) preserveAspectRatio="none"
                    role="img" aria-labelledby="throughput-title throughput-summary" {
                    @for height in [0, CHART] {
                        line.ground x1="0" x2=(10 * MINUTES) y1=(height) y2=(height) {}
                    }
                    @for (at, (height, made)) in throughput.bars(CHART).zip(throughput.minutes()).enumerate() {
                        @let ago = throughput.minutes().len() - 1 - at;
                        rect.bar x=(10 * at + 1) y=(CHART - height) width="8" height=(height) {
                            title {
                                (grouped(*made)) " "
                                @if ago == 0 { "this minute" } @else { (ago) " min ago" }
                            }
                        }
                    }
                }
                p.axis aria-hidden="true" { span { "an hour ago" } span { "now" } }
                }
            }
        }
    }
}

fn figure(name: &str, value: &Markup) -> Markup {
    html! { div data-key=(name) { dt { (name) } dd { (value) } } }
}

fn stages(info: &StatusInfo) -> Markup {
    html! {
        section aria-labelledby="stages-title" {
            h2 #stages-title { "Stages" }
            div.scroll tabindex="0" role="group" aria-labelledby="stages-title" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Stage" }
                            th.number scope="col" { "Open" }
                            th.number scope="col" { "In work" }
                            th.number scope="col" { "Done" }
                            th.number scope="col" { "Workers" }
                        }
                    }
                    tbody {
                        @for stage in &info.stages {
                            tr data-key=(stage.stage) {
                                th scope="row" { span.letter { (stage.stage) } " " (stage.name) }
                                td.number { (grouped(stage.open)) }
                                td.number { (grouped(stage.held)) }
                                td.number { (grouped(stage.done)) }
                                td.number { (grouped(stage.workers)) }
                            }
                        }
                    }
                }
            }
            @for stage in &info.disabled {
                p data-key=(format!("disabled-{}", stage.stage)) {
                    strong {
                        "Stage " span.letter { (stage.stage) } " is not enabled, and "
                        (grouped(stage.jobs)) @if stage.jobs == 1 { " job waits" } @else { " jobs wait" }
                        " at it. "
                    }
                    (stage.remedy)
                }
            }
            @for stage in &info.skipped {
                p.quiet data-key=(format!("skipped-{}", stage.stage)) {
                    (grouped(stage.jobs)) @if stage.jobs == 1 { " job has" } @else { " jobs have" }
                    " not been through stage " span.letter { (stage.stage) } ". "
                    (stage.remedy)
                }
            }
        }
    }
}

/// Totals since the project began: what became of the jobs that were handed out.
fn outcomes(stages: &[StageStatus]) -> Markup {
    let sum = |count: fn(&StageStatus) -> u64| grouped(stages.iter().map(count).sum());
    html! {
        section aria-labelledby="outcomes-title" {
            h2 #outcomes-title { "Since the project began" }
            dl.figures {
                (figure("Jobs handed out", &html! { (sum(|stage| stage.granted)) }))
                (figure("Results accepted", &html! { (sum(|stage| stage.accepted)) }))
                (figure("Results not wanted", &html! { (sum(|stage| stage.rejected)) }))
                (figure("Lost with their worker", &html! { (sum(|stage| stage.lost)) }))
                (figure("Failures reported", &html! { (sum(|stage| stage.failed)) }))
            }
        }
    }
}

fn connected(
    stage: &StageStatus,
    part: &Part<WorkerRow>,
    looks: &Looks,
    link: &dyn Fn(Option<&str>) -> String,
) -> Markup {
    let title = format!("stage-{}-title", stage.stage);
    html! {
        section id=(format!("stage-{}", stage.stage)) aria-labelledby=(title) {
            h2 id=(title) {
                "Workers at " span.letter { (stage.stage) } " " (stage.name) " "
                small.count { (grouped(stage.workers)) }
            }
            @if part.rows.is_empty() {
                p.quiet { "No workers here at the moment." }
            } @else {
                div.scroll tabindex="0" role="group" aria-labelledby=(title) {
                    table.workers {
                        thead {
                            tr {
                                th scope="col" { "Worker" }
                                th scope="col" { "Nickname" }
                                th.number scope="col" { "Job" }
                                th scope="col" { "Progress" }
                                th.number scope="col" { "Jobs done" }
                                th scope="col" { "Last seen" }
                            }
                        }
                        tbody { @for row in &part.rows { (worker(&stage.name, row, looks)) } }
                    }
                }
            }
            (pager(&format!("workers at {}", stage.name), part, link))
        }
    }
}

fn worker(stage_name: &str, row: &WorkerRow, looks: &Looks) -> Markup {
    html! {
        // Display names are not unique; together with the time of registration they are unique
        // enough for a key.
        tr data-key=(format!("{}@{}", row.display_name, row.first_seen)) {
            th scope="row" {
                a href=(worker_address(stage_name, &row.display_name)) { (row.display_name) }
            }
            td.name { (page::name(&row.nickname, Some(&row.display_name), looks)) (page::unverified(row)) }
            td.number { @if let Some(job) = row.job { "#" (job) @if row.held > 1 { " and " (grouped(row.held - 1)) " more" } } @else { span.quiet { "–" } } }
            td.progress { bdi { (row.progress) } }
            td.number { (grouped(row.completed)) }
            td.when { (moment(row.last_seen)) }
        }
    }
}

fn set_aside(
    info: &StatusInfo,
    part: &Part<AsideRow>,
    link: &dyn Fn(Option<&str>) -> String,
) -> Markup {
    html! {
        section #aside aria-labelledby="aside-title" {
            h2 #aside-title { "Set aside " small.count { (grouped(info.set_aside)) } }
            p.quiet { "These jobs are no longer handed out; the operator decides what happens to them." }
            div.scroll tabindex="0" role="group" aria-labelledby="aside-title" {
                table {
                    thead {
                        tr {
                            th.number scope="col" { "Job" }
                            th scope="col" { "Stage" }
                            th scope="col" { "Why" }
                        }
                    }
                    tbody {
                        @for row in &part.rows {
                            tr data-key=(row.number) {
                                th.number scope="row" { a href=(job::address(row.number)) { "#" (row.number) } }
                                td { span.letter { (row.stage) } }
                                td {
                                    (row.reason)
                                    @if row.errors.iter().any(|error| !error.text.is_empty()) {
                                        details {
                                            summary { "What went wrong" }
                                            ul {
                                                @for error in row.errors.iter().filter(|error| !error.text.is_empty()) {
                                                    li {
                                                        (moment(error.at)) ", " bdi { (names::legible(&error.nickname)) } ": "
                                                        (job::error_text(&error.text))
                                                    }
                                                }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            (pager("jobs set aside", part, link))
        }
    }
}

//! The periodic sweeps for silent workers and expired leases. `rules::sweeps` decides when they
//! run.

use tokio::time;

use crate::{
    clock::Millis,
    files::{self, sweep::Swept},
    operations::{
        trust::recall,
        turns::{Pieces, Turns},
    },
    rules::{
        sweeps::{self, Schedule},
        trust::Trust,
    },
    state::App,
    store::StoreError,
};

/// Runs the sweeps: for whole workers, and for the leases that syncs renew.
pub(super) async fn sweep(app: App) {
    let (idle_s, lease_s) = (app.settings.idle_timeout_s, app.settings.lease_s);
    let started = time::Instant::now();
    if let Err(error) = app.store.correct_times().await {
        tracing::warn!(%error, "could not correct times in the future");
    }
    let mut idle_ticks = ticks(sweeps::for_workers(app.settings.sweep_interval_s));
    let mut lease_ticks = ticks(sweeps::for_leases(lease_s));
    let trust = app.settings.store_rules().trust;
    let mut trust_ticks = ticks(sweeps::for_trust());
    loop {
        tokio::select! {
            _ = idle_ticks.tick() => {
                let what = "removed workers that made no call";
                while more(app.store.drop_idle(millis(idle_s)).await, what) {}
            }
            _ = lease_ticks.tick() => {
                let what = "ended the leases of workers that do not sync";
                while more(app.store.end_leases(millis(u64::from(lease_s))).await, what) {}
                drop_missed(&app, started).await;
            }
            _ = trust_ticks.tick() => {
                follow_trust(&app, trust).await;
            }
        }
    }
}

/// Removes workers that use sync and have missed two leases: a browser that was closed without a
/// goodbye is no longer a volunteer. After the tracker starts, all workers first get that time to
/// come back.
async fn drop_missed(app: &App, started: time::Instant) {
    let workers = match app.store.status().await {
        Ok(status) => status.stages.iter().map(|stage| stage.workers).sum(),
        Err(_) => return,
    };
    let missed_s = sweeps::missed_s(app.settings.lease_s, workers);
    if started.elapsed().as_secs() < missed_s {
        return;
    }
    let what = "removed workers that missed two leases";
    while more(app.store.drop_missed(millis(missed_s)).await, what) {}
}

/// Makes results again whose volunteer was found wrong, and puts jobs back whose opinions are of no use
/// any more. Volunteers' calls take turns with it.
async fn follow_trust(app: &App, trust: Trust) {
    let mut pieces = Pieces::new(Turns::Fair);
    more(
        recall(app.store.as_ref(), &mut pieces).await,
        "looked at results to be made again",
    );
    let what = "put jobs back whose opinions are of an earlier version";
    while more(app.store.reconsider(trust).await, what) {}
}

fn ticks(schedule: Schedule) -> time::Interval {
    let mut ticks = time::interval_at(time::Instant::now() + schedule.first, schedule.every);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    ticks
}

fn millis(seconds: u64) -> Millis {
    Millis::try_from(seconds.saturating_mul(1_000)).unwrap_or(Millis::MAX / 2)
}

/// Whether there may be more rows to sweep.
fn more(found: Result<u64, StoreError>, what: &str) -> bool {
    match found {
        Ok(0) => false,
        Ok(count) => {
            tracing::info!(count, "{what}");
            true
        }
        Err(error) => {
            tracing::warn!(%error, "could not sweep silent workers and expired leases");
            false
        }
    }
}

/// Deletes files that nothing names.
pub(super) async fn sweep_files(app: App) {
    if app.files.objects().is_none() {
        return;
    }
    // Counts what is there.
    if let Err(error) = files::sweep::sweep_uploads(&app.files).await {
        tracing::warn!(?error, "could not look for unfinished uploads");
    }
    let mut file_ticks = ticks(sweeps::for_files(app.settings.sweep_interval_s));
    loop {
        file_ticks.tick().await;
        match files::sweep::sweep(app.store.as_ref(), &app.files).await {
            Ok(Swept {
                files: 0,
                uploads: 0,
            }) => {}
            Ok(Swept { files, uploads }) => {
                tracing::info!(
                    files,
                    uploads,
                    "deleted files and uploads that nothing names"
                );
            }
            Err(error) => tracing::warn!(?error, "could not delete files that nothing names"),
        }
    }
}

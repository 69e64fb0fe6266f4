//! `serve`: opens the store, listens, sweeps, and stops without dropping what is under way.

pub mod listen;
mod unread;

use std::{future::Future, io::Write as _, sync::Arc};

use distcompute_protocol::DisabledStage;
use tokio::{net::TcpListener, time};

use self::listen::Gate;
use crate::{
    admission::{address_limits::AddressLimits, bodies::Bodies},
    clock::Millis,
    config::Settings,
    http::router,
    metrics::Metrics,
    operations::status,
    random::ThreadRandom,
    rules::sweeps::{self, Looks},
    state::{App, Timeouts},
    store::{Store, StoreError},
};

/// Serves until the process is told to stop.
///
/// # Errors
/// A sentence that says why it cannot serve.
pub async fn run(settings: Settings) -> Result<(), String> {
    let lock = settings.database.lock().await?;
    let listener = TcpListener::bind(&settings.listen)
        .await
        .map_err(|error| format!("Cannot listen on {}: {error}.", settings.listen))?;
    let store = settings.database.open(true, settings.store_rules()).await?;
    warn_of_unreachable_jobs(&settings, store.as_ref()).await;
    let app = App {
        store: Arc::clone(&store),
        bodies: Arc::new(Bodies::new(settings.max_body)),
        address_limits: Arc::new(AddressLimits::new(&settings.quotas)),
        settings: Arc::new(settings),
        random: Arc::new(ThreadRandom),
        metrics: Arc::new(Metrics::default()),
        response_cache: Arc::default(),
        timeouts: Timeouts::default(),
    };
    let stop = told_to_stop();
    stay_on_hangup();
    announce(&listener).map_err(|error| format!("Cannot say where it listens: {error}."))?;
    let served = serve(app, listener, stop).await;
    store.close().await;
    drop(lock);
    served
}

/// Serves on a listener until `stop` is done, then finishes what is in flight, within bounds.
///
/// # Errors
/// A sentence that says why it cannot serve.
pub async fn serve(
    app: App,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), String> {
    let timeouts = app.timeouts;
    let router = router(app.clone())?;
    let gate = Gate {
        limits: Arc::clone(&app.address_limits),
        proxies: app.settings.trusted_proxies.clone(),
    };
    let sweeper = tokio::spawn(sweep(app));
    listen::serve(listener, router, gate, timeouts, stop).await;
    sweeper.abort();
    Ok(())
}

/// Says on standard output where the tracker listens: scripts wait for this line.
fn announce(listener: &TcpListener) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}

/// Ends when the process is told to stop. Listens for that from the call on, not from the first poll:
/// whoever has read the address may stop the tracker at once.
fn told_to_stop() -> impl Future<Output = ()> + Send + 'static {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        async move {
            let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
                tracing::error!("cannot listen for signals; end the process to stop the tracker");
                return std::future::pending().await;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Ignores SIGHUP, which would end the process: tools for log files send it to have files opened
/// anew. The tracker opens none, its log goes to standard error.
fn stay_on_hangup() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(mut hangup) => {
                tokio::spawn(async move {
                    while hangup.recv().await.is_some() {
                        tracing::info!(
                            "SIGHUP is ignored: the log goes to standard error, and a changed \
                             configuration needs a restart"
                        );
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGHUP, which will stop the tracker");
            }
        }
    }
}

/// Looks after those who are not heard from: whole workers, and the leases that syncs hold.
async fn sweep(app: App) {
    let (idle_s, lease_s) = (app.settings.idle_timeout_s, app.settings.lease_s);
    let started = time::Instant::now();
    if let Err(error) = app.store.correct_times().await {
        tracing::warn!(%error, "could not correct times in the future");
    }
    let mut idle_looks = ticks(sweeps::for_workers(app.settings.sweep_interval_s));
    let mut lease_looks = ticks(sweeps::for_leases(lease_s));
    loop {
        tokio::select! {
            _ = idle_looks.tick() => {
                let what = "forgot workers that were not heard from";
                while more(app.store.drop_idle(millis(idle_s)).await, what) {}
            }
            _ = lease_looks.tick() => {
                let what = "ended the leases of workers that do not sync";
                while more(app.store.end_leases(millis(u64::from(lease_s))).await, what) {}
                drop_missed(&app, started).await;
            }
        }
    }
}

/// Forgets those who sync and have missed two leases: a browser that was closed without a goodbye is
/// no volunteer any more. After a start everybody first gets that time to come back.
async fn drop_missed(app: &App, started: time::Instant) {
    let workers = match app.store.status().await {
        Ok(status) => status.stages.iter().map(|stage| stage.workers).sum(),
        Err(_) => return,
    };
    let missed_s = sweeps::missed_s(app.settings.lease_s, workers);
    if started.elapsed().as_secs() < missed_s {
        return;
    }
    let what = "forgot workers that missed two leases";
    while more(app.store.drop_missed(millis(missed_s)).await, what) {}
}

fn ticks(looks: Looks) -> time::Interval {
    let mut ticks = time::interval_at(time::Instant::now() + looks.first, looks.every);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    ticks
}

fn millis(seconds: u64) -> Millis {
    Millis::try_from(seconds.saturating_mul(1_000)).unwrap_or(Millis::MAX / 2)
}

/// Whether there may be more of what was looked for.
fn more(found: Result<u64, StoreError>, what: &str) -> bool {
    match found {
        Ok(0) => false,
        Ok(count) => {
            tracing::info!(count, "{what}");
            true
        }
        Err(error) => {
            tracing::warn!(%error, "could not look for those who are gone");
            false
        }
    }
}

/// Jobs that wait at a stage which is not enabled any more are never handed out.
async fn warn_of_unreachable_jobs(settings: &Settings, store: &dyn Store) {
    let Ok(counted) = store.status().await else {
        return;
    };
    for DisabledStage {
        stage,
        jobs,
        remedy,
    } in status::disabled(settings, &counted)
    {
        tracing::warn!(%stage, jobs, "jobs wait at a stage that is not enabled. {remedy}");
    }
}

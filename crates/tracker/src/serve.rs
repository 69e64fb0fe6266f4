//! `serve`: opens the store, listens, sweeps, and stops without dropping what is under way.

use std::{future::Future, io::Write as _, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time};

use crate::{
    app::{self, App},
    clock::Millis,
    config::Settings,
    listen::{self, Limits},
    metrics::Metrics,
    random::ThreadRandom,
    store::Store,
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
        settings: Arc::new(settings),
        random: Arc::new(ThreadRandom),
        metrics: Arc::new(Metrics::default()),
        glances: Arc::default(),
        limits: Limits::default(),
    };
    announce(&listener).map_err(|error| format!("Cannot say where it listens: {error}."))?;
    let served = serve(app, listener, told_to_stop()).await;
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
    let limits = app.limits;
    let router = app::router(app.clone())?;
    let sweeper = tokio::spawn(sweep(app));
    listen::serve(listener, router, limits, stop).await;
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

async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            tracing::error!("cannot listen for signals; end the process to stop the tracker");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Forgets workers that are not heard from. The first look comes after one interval: when the
/// tracker was away, its workers get the time to say that they are still there.
async fn sweep(app: App) {
    let interval = Duration::from_secs(app.settings.sweep_interval_s);
    let idle = Millis::try_from(app.settings.idle_timeout_s.saturating_mul(1_000));
    let idle = idle.unwrap_or(Millis::MAX / 2);
    let mut ticks = time::interval(interval);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        loop {
            match app.store.drop_idle(idle).await {
                Ok(0) => break,
                Ok(count) => tracing::info!(count, "forgot workers that were not heard from"),
                Err(error) => {
                    tracing::warn!(%error, "could not look for idle workers");
                    break;
                }
            }
        }
    }
}

/// Jobs that wait at a stage which is not enabled any more are never handed out.
async fn warn_of_unreachable_jobs(settings: &Settings, store: &dyn Store) {
    let Ok(status) = store.status().await else {
        return;
    };
    for stage in distcompute_protocol::Stage::ALL {
        let waiting = status.stages[stage.index()].open + status.stages[stage.index()].held;
        if settings.stages.name(stage).is_none() && waiting > 0 {
            tracing::warn!(%stage, waiting, "jobs wait at a stage that is not enabled");
        }
    }
}

//! `serve`: opens the store, listens, runs the sweeps, and shuts down without dropping requests in
//! flight.

pub mod listen;
mod signals;
mod sweep;
mod unread;

use std::{future::Future, io::Write as _, sync::Arc};

use distcompute_protocol::{DisabledStage, SkippedStage};
use tokio::net::TcpListener;

use self::{
    listen::ConnectionLimits,
    signals::{ignore_hangup, shutdown_requested},
    sweep::{sweep, sweep_files},
};
use crate::{
    admission::{address_limits::AddressLimits, bodies::Bodies},
    config::Settings,
    files::{Disk, Files},
    http::router,
    metrics::Metrics,
    operations::status,
    random::ThreadRandom,
    state::{App, Timeouts},
    store::Store,
};

/// Serves until the process is asked to stop.
///
/// # Errors
/// Returns a sentence that says why it cannot serve.
pub async fn run(settings: Settings) -> Result<(), String> {
    let lock = settings.database.lock().await?;
    let listener = TcpListener::bind(&settings.listen)
        .await
        .map_err(|error| format!("Cannot listen on {}: {error}.", settings.listen))?;
    let store = settings.database.open(true, settings.store_rules()).await?;
    warn_of_unreachable_jobs(&settings, store.as_ref()).await;
    let files = Arc::new(Files::new(&settings.object_store, settings.file_limits)?);
    if let Some(objects) = files.objects()
        && let Err(error) = objects.probe().await
    {
        let place = &settings.object_store;
        tracing::warn!(%place, ?error, "the files of jobs cannot be kept here");
    }
    say_room(&settings, &files).await;
    let app = App {
        store: Arc::clone(&store),
        bodies: Arc::new(Bodies::new(settings.max_body)),
        address_limits: Arc::new(AddressLimits::new(&settings.quotas)),
        settings: Arc::new(settings),
        files,
        random: Arc::new(ThreadRandom),
        metrics: Arc::new(Metrics::default()),
        response_cache: Arc::default(),
        keys: Arc::default(),
        timeouts: Timeouts::default(),
    };
    let stop = shutdown_requested();
    ignore_hangup();
    announce(&listener).map_err(|error| format!("Cannot say where it listens: {error}."))?;
    let served = serve(app, listener, stop).await;
    store.close().await;
    drop(lock);
    served
}

/// Serves on a listener until `stop` completes, then finishes the requests in flight, with a time
/// limit.
///
/// # Errors
/// Returns a sentence that says why it cannot serve.
pub async fn serve(
    app: App,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), String> {
    let timeouts = app.timeouts;
    let router = router(app.clone())?;
    let gate = ConnectionLimits {
        limits: Arc::clone(&app.address_limits),
        proxies: app.settings.trusted_proxies.clone(),
    };
    let of_files = tokio::spawn(sweep_files(app.clone()));
    let sweeper = tokio::spawn(sweep(app));
    listen::serve(listener, router, gate, timeouts, stop).await;
    sweeper.abort();
    of_files.abort();
    Ok(())
}

/// Logs how much of the disk the files of jobs may take, and a warning if they may take none.
async fn say_room(settings: &Settings, files: &Files) {
    let Some(Disk { total, free }) = files.disk().await else {
        return;
    };
    let limits = settings.file_limits;
    let (place, keep_free) = (&settings.object_store, limits.keep_free.of(total));
    if !limits.keep_free.leaves_room(total, free, 0, 0) {
        tracing::warn!(
            %place,
            free,
            keep_free,
            "the disk of the files of jobs is nearly full: uploads are refused. Delete something, or \
             set files_keep_free"
        );
    } else if limits.total == 0 {
        tracing::info!(
            %place,
            free,
            keep_free,
            "files of jobs may fill the disk except for files_keep_free: files_total is 0"
        );
    }
}

/// Prints the tracker's address on standard output; scripts wait for this line.
fn announce(listener: &TcpListener) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}

/// Logs a warning about jobs at a stage that is no longer enabled, because they are never handed
/// out, and a line about finished jobs that have not been through all stages.
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
    for SkippedStage {
        stage,
        jobs,
        remedy,
    } in status::skipped(settings, &counted)
    {
        tracing::info!(%stage, jobs, "jobs have not been through a stage. {remedy}");
    }
}

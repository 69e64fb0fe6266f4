//! What the system tells the process: to stop, or that its terminal is gone.

use std::future::Future;

/// Ends when the process is told to stop. Listens for that from the call on, not from the first poll:
/// whoever has read the address may stop the tracker at once.
pub(super) fn told_to_stop() -> impl Future<Output = ()> + Send + 'static {
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
pub(super) fn stay_on_hangup() {
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

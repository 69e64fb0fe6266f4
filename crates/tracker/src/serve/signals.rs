//! Signals of the operating system: shutdown and hangup.

use std::future::Future;

/// Completes when the process is asked to stop. The handlers are installed by this call and not by
/// the first poll: whoever has read the tracker's address may stop it at once.
pub(super) fn shutdown_requested() -> impl Future<Output = ()> + Send + 'static {
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

/// Ignores SIGHUP, which would end the process. Log rotation tools send it so that log files are
/// reopened, but the tracker logs to standard error.
pub(super) fn ignore_hangup() {
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

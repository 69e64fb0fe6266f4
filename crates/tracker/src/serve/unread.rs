//! Ends connections whose client does not read the response.

use std::{
    future::Future as _,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// The minimum number of bytes per second that the client must read once it has paused. The slowest
/// supported connections carry thirty times as much.
const LEAST_PER_S: u64 = 1_024;

/// A stream that fails if the client does not read what is written: nothing for the length of a
/// pause, or, once data has been waiting for longer than a pause, less than one kilobyte per second.
/// There is no limit while nothing is waiting to be written.
pub(super) struct Unread<S> {
    stream: S,
    pause: Duration,
    /// Set while data is waiting to be written.
    waits: Option<Waits>,
    timer: Pin<Box<Sleep>>,
}

#[derive(Debug, Clone, Copy)]
struct Waits {
    since: Instant,
    /// When data was last read, and how much since the wait began.
    last: Instant,
    taken: u64,
}

impl Waits {
    /// When the wait becomes too long unless more is read.
    fn ends(&self, pause: Duration) -> Instant {
        let earned = Duration::from_secs(self.taken / LEAST_PER_S);
        (self.last + pause).min(self.since + pause + earned)
    }
}

impl<S> Unread<S> {
    /// Wraps a stream.
    #[must_use]
    pub(super) fn new(stream: S, pause: Duration) -> Self {
        Self {
            stream,
            pause,
            waits: None,
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }

    /// Records the outcome of a write.
    fn noted(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let (Some(waits), Ok(bytes)) = (&mut self.waits, &written) {
                waits.last = Instant::now();
                waits.taken += *bytes as u64;
            }
            return Poll::Ready(written);
        }
        let now = Instant::now();
        let waits = self.waits.get_or_insert(Waits {
            since: now,
            last: now,
            taken: 0,
        });
        self.timer.as_mut().reset(waits.ends(self.pause));
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.noted(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // A flush means that everything has been written.
        self.waits = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    /// Writes a megabyte to a client that reads `bytes` bytes `every` so often. Returns how long
    /// that took, and whether everything was read.
    async fn written(bytes: usize, every: Duration) -> (Duration, bool) {
        let (ours, mut theirs) = duplex(1_000);
        let reader = tokio::spawn(async move {
            let mut part = vec![0; bytes];
            loop {
                tokio::time::sleep(every).await;
                if theirs.read_exact(&mut part).await.is_err() {
                    break;
                }
            }
        });
        let began = Instant::now();
        let mut stream = Unread::new(ours, PAUSE);
        let outcome = stream.write_all(&[0; 1 << 20]).await;
        let took = began.elapsed();
        reader.abort();
        (took, outcome.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_readers_are_served_and_those_who_do_not_read_are_disconnected() {
        let second = Duration::from_secs(1);
        // A connection of 0.25 Mbit/s, and one with pauses.
        assert!(written(32_000, second).await.1);
        assert!(written(200_000, 20 * second).await.1);
        let (took, all) = written(1, 3_600 * second).await;
        assert!(!all && took == PAUSE, "{took:?}");
        // Reading a byte now and then, or a little more, is not enough.
        let (took, all) = written(1, 20 * second).await;
        assert!(!all && took <= 2 * PAUSE, "{took:?}");
        let (took, all) = written(500, second).await;
        assert!(!all && took <= 3 * PAUSE, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_has_no_limit() {
        let (ours, mut theirs) = duplex(1_000);
        let mut stream = Unread::new(ours, PAUSE);
        for _ in 0..3 {
            let reads = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(10)).await;
                let mut part = [0; 3_000];
                theirs.read_exact(&mut part).await.expect("all");
                theirs
            });
            stream.write_all(&[0; 3_000]).await.expect("taken");
            stream.flush().await.expect("flushed");
            theirs = reads.await.expect("read");
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
    }
}

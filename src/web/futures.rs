//! Futures: one that runs by itself, and two of which the first one counts.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;
use wasm_bindgen_futures::spawn_local;

/// Runs a future by itself. It is boxed, so that what runs it is compiled once and not for each future.
pub(crate) fn spawn(future: Pin<Box<dyn Future<Output = ()>>>) {
    spawn_local(future);
}

/// The one that was ready first.
pub(crate) enum First<A, B> {
    Left(A),
    Right(B),
}

/// Whichever is ready first; the left one, where both are. The other is dropped.
pub(crate) async fn race<A, B>(
    left: impl Future<Output = A>,
    right: impl Future<Output = B>,
) -> First<A, B> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|context| match left.as_mut().poll(context) {
        Poll::Ready(a) => Poll::Ready(First::Left(a)),
        Poll::Pending => right.as_mut().poll(context).map(First::Right),
    })
    .await
}

//! Limits how many calls of one address group are handled at the same time. All writes go through
//! one task, so many calls of one group then queue among themselves instead of in front of
//! everybody else.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admission::address_limits::Group;

/// How many calls of a group are handled at the same time. One transaction settles all that wait,
/// so this allows some hundreds per second: enough for a school class behind one address.
const AT_ONCE: u32 = 4;

/// The body size for which a call counts as one more: the next caller waits for at most one of the
/// largest calls, and not for several.
const ONE_MORE: usize = 512 * 1024;

/// The size of a call that is handled alone in its group.
pub const ALONE: usize = AT_ONCE as usize * ONE_MORE;

/// The groups that have calls in progress.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>);

/// The right to be handled, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    group: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for the turn of a call with a body of this size. A call that counts for no group is
    /// not limited.
    pub async fn next(&self, group: Option<Group>, bytes: usize) -> Option<Turn> {
        let Group(group) = group?;
        let mut turn = Turn {
            turns: self.clone(),
            group,
            permit: None,
        };
        let places = self.places(group);
        // The semaphore is never closed. A caller that is dropped while it waits gives up its turn.
        let more = u32::try_from(bytes / ONE_MORE).unwrap_or(u32::MAX);
        let count = more.saturating_add(1).min(AT_ONCE);
        turn.permit = places.acquire_many_owned(count).await.ok();
        Some(turn)
    }

    fn places(&self, group: IpAddr) -> Arc<Semaphore> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = groups.entry(group);
        Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE as usize))))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permit.take();
        let mut groups = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Calls in progress and waiting ones hold another reference.
        let idle = |places: &Arc<Semaphore>| Arc::strong_count(places) == 1;
        if groups.get(&self.group).is_some_and(idle) {
            groups.remove(&self.group);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn group(last: u8) -> Option<Group> {
        Some(Group(IpAddr::from([192, 0, 2, last])))
    }

    #[tokio::test]
    async fn a_crowd_of_one_address_waits_for_itself_alone() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.next(group(1), 100).await);
        }
        let mut waits = Box::pin(turns.next(group(1), 100));
        assert!(waits.as_mut().now_or_never().is_none());
        assert!(turns.next(group(2), 100).now_or_never().is_some());
        for _ in 0..100 {
            assert_eq!(turns.next(None, 100).await.map(|turn| turn.group), None);
        }
        held.pop();
        assert!(waits.await.is_some());
    }

    #[tokio::test]
    async fn a_large_call_counts_as_many() {
        let turns = Turns::default();
        let largest = turns.next(group(1), 16 << 20).await;
        assert!(turns.next(group(1), 0).now_or_never().is_none());
        drop(largest);
        let _half = turns.next(group(1), ONE_MORE).await;
        let _other = turns.next(group(1), ONE_MORE).await;
        assert!(turns.next(group(1), 0).now_or_never().is_none());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_groups_without_calls() {
        let turns = Turns::default();
        let held: Vec<_> = [
            turns.next(group(1), 100).await,
            turns.next(group(2), 100).await,
        ]
        .into();
        let more = turns.next(group(1), 100).await;
        drop(held);
        assert_eq!(turns.0.lock().expect("no panic").len(), 1);
        for _ in 0..AT_ONCE {
            let given_up = Box::pin(turns.next(group(3), 100));
            drop(given_up);
        }
        drop(more);
        assert_eq!(turns.0.lock().expect("no panic").len(), 0);
    }
}

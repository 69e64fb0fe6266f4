//! Named deadlines: the timers of a machine.

use crate::list::retain;

/// The deadlines of a machine, each under a name. There are few of them, so a list is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Timers<K> {
    all: Vec<(K, f64)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

impl<K: Copy + PartialEq> Timers<K> {
    /// Sets a timer, in place of the one of this name if there is one.
    pub fn set(&mut self, name: K, at: f64) {
        self.cancel(name);
        self.all.push((name, at));
    }

    /// Whether there is a timer of this name.
    #[must_use]
    pub fn is_set(&self, name: K) -> bool {
        self.all.iter().any(|(other, _)| *other == name)
    }

    /// Sets a timer, unless the one of this name is due before.
    pub fn set_earliest(&mut self, name: K, at: f64) {
        match self.all.iter_mut().find(|(other, _)| *other == name) {
            Some((_, before)) => *before = before.min(at),
            None => self.all.push((name, at)),
        }
    }

    /// Removes a timer.
    pub fn cancel(&mut self, name: K) {
        retain(&mut self.all, |(other, _)| *other != name);
    }

    /// When the first of them is due.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        self.all.iter().map(|(_, at)| *at).min_by(f64::total_cmp)
    }

    /// Removes the first timer that is due at `now`: its name, and when it was due.
    pub fn take_due(&mut self, now: f64) -> Option<(K, f64)> {
        let due = self.next().filter(|at| *at <= now)?;
        let index = self.all.iter().position(|(_, at)| *at == due)?;
        Some(self.all.remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_the_order_of_their_times_and_once() {
        let mut timers = Timers::default();
        timers.set('a', 30.0);
        timers.set('b', 10.0);
        timers.set('c', 20.0);
        timers.set('a', 5.0);
        timers.cancel('c');
        assert_eq!(timers.next(), Some(5.0));
        assert_eq!(timers.take_due(4.9), None);
        assert_eq!(timers.take_due(50.0), Some(('a', 5.0)));
        assert!(timers.is_set('b') && !timers.is_set('a'));
        assert_eq!(timers.take_due(50.0), Some(('b', 10.0)));
        assert_eq!(timers.take_due(50.0), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn of_several_deadlines_of_one_name_the_earliest_is_kept() {
        let mut timers = Timers::default();
        for at in [30.0, 20.0, 40.0] {
            timers.set_earliest('a', at);
        }
        assert_eq!(timers.take_due(20.0), Some(('a', 20.0)));
        assert_eq!(timers.next(), None);
    }
}

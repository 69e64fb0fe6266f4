//! A map from numbers to values, as a sorted list. There are a few hundred values at most, and new
//! ones mostly have the largest number, so an insertion is a push. `BTreeMap` would be compiled
//! anew for each type of value.

use crate::list::retain;

/// Values by number, in the order of the numbers. They are boxed, so that the code is the same for
/// all types and exists once.
#[derive(Debug, Clone, PartialEq)]
pub struct SortedMap<V>(Vec<(u32, Box<V>)>);

impl<V> Default for SortedMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> SortedMap<V> {
    /// The index of the key, or the index at which it would be inserted.
    fn find(&self, key: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// Whether the map is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of this number.
    #[must_use]
    pub fn get(&self, key: u32) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// The value of this number, mutably.
    pub fn get_mut(&mut self, key: u32) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| &mut **value)
    }

    /// Inserts a value, in place of the one of the same number.
    pub fn insert(&mut self, key: u32, value: impl Into<Box<V>>) {
        self.remove(key);
        let (Ok(at) | Err(at)) = self.find(key);
        self.0.insert(at, (key, value.into()));
    }

    /// Removes and returns a value.
    pub fn remove(&mut self, key: u32) -> Option<Box<V>> {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Removes the values for whose number `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        retain(&mut self.0, |(key, _)| keep(*key));
    }

    /// All values with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.0.iter().map(|(key, value)| (*key, &**value))
    }

    /// All values with their numbers, mutably.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (*key, &mut **value))
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(keys: &[u32]) -> SortedMap<char> {
        let mut all = SortedMap::default();
        for key in keys {
            all.insert(*key, 'a');
        }
        all
    }

    fn keys(all: &SortedMap<char>) -> Vec<u32> {
        all.iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn values_are_in_order_of_their_numbers() {
        let mut all = map(&[5, 1, 9, 3]);
        assert_eq!(keys(&all), [1, 3, 5, 9]);
        assert_eq!(all.remove(5), Some(Box::new('a')));
        assert_eq!(all.remove(5), None);
        assert_eq!(keys(&all), [1, 3, 9]);
        all.retain(|key| key > 1);
        assert_eq!(keys(&all), [3, 9]);
        assert!(!all.is_empty());
        assert!(map(&[]).is_empty());
    }

    #[test]
    fn a_value_is_found_by_its_number_and_replaced_by_another() {
        let mut all = map(&[1, 2, 3]);
        all.insert(2, 'b');
        assert_eq!(all.get(2), Some(&'b'));
        assert_eq!(all.get(4), None);
        if let Some(value) = all.get_mut(3) {
            *value = 'c';
        }
        assert_eq!(all.values().collect::<String>(), "abc");
    }
}

//! Things by number, in the order of their numbers: a sorted list. What comes last mostly has the
//! largest number, and the few hundred things that there are lie side by side. A tree of the
//! standard library takes 6 KB of the package for each kind of thing.

/// Things by number. They are boxed, so that the code is the same for all kinds of things: the linker
/// keeps it once.
#[derive(Debug, Clone, PartialEq)]
pub struct SortedMap<V>(Vec<(u32, Box<V>)>);

impl<V> Default for SortedMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> SortedMap<V> {
    /// Where it is, or where it would be.
    fn find(&self, key: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The thing of this number.
    #[must_use]
    pub fn get(&self, key: u32) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// The thing of this number, to be changed.
    pub fn get_mut(&mut self, key: u32) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| &mut **value)
    }

    /// Puts a thing in; what had its number is gone.
    pub fn insert(&mut self, key: u32, value: impl Into<Box<V>>) {
        self.remove(key);
        let (Ok(at) | Err(at)) = self.find(key);
        self.0.insert(at, (key, value.into()));
    }

    /// Takes a thing out.
    pub fn remove(&mut self, key: u32) -> Option<Box<V>> {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Drops the things of which `keep` is not true.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.0.retain(|(key, _)| keep(*key));
    }

    /// All of them with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.0.iter().map(|(key, value)| (*key, &**value))
    }

    /// All of them with their numbers, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (*key, &mut **value))
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(keys: &[u32]) -> SortedMap<char> {
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
    fn things_are_in_order_however_they_came() {
        let mut all = keyed(&[5, 1, 9, 3]);
        assert_eq!(keys(&all), [1, 3, 5, 9]);
        assert_eq!(all.remove(5), Some(Box::new('a')));
        assert_eq!(all.remove(5), None);
        assert_eq!(keys(&all), [1, 3, 9]);
        all.retain(|key| key > 1);
        assert_eq!(keys(&all), [3, 9]);
        assert!(!all.is_empty());
        assert!(keyed(&[]).is_empty());
    }

    #[test]
    fn each_is_found_by_its_number_and_there_is_one_of_it() {
        let mut all = keyed(&[1, 2, 3]);
        all.insert(2, 'b');
        assert_eq!(all.get(2), Some(&'b'));
        assert_eq!(all.get(4), None);
        if let Some(value) = all.get_mut(3) {
            *value = 'c';
        }
        assert_eq!(all.values().collect::<String>(), "abc");
    }
}

//! A set of names, such as leases, as a sorted list.
//!
//! There are at most a few thousand, and mostly they come in order, so an insertion is a push. A
//! `BTreeSet` would add 16 KB of code, with the sorting by which it is collected.

/// A set of names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names(Vec<String>);

impl Names {
    /// Whether the set has this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Adds a name. Returns whether it was new.
    pub fn insert(&mut self, name: &str) -> bool {
        let Err(index) = self.find(name) else {
            return false;
        };
        self.0.insert(index, name.to_owned());
        true
    }

    /// The index of a name, or the index at which it would be inserted.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|other| other.as_str().cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_the_set_once() {
        let mut set = Names::default();
        for name in ["b", "a", "c", "a"] {
            set.insert(name);
        }
        assert!(set.contains("a") && set.contains("b") && set.contains("c"));
        assert!(!set.contains("") && !set.contains("d"));
        assert!(!set.insert("b"));
        assert!(set.insert("d"));
        assert!(set.contains("d"));
    }
}

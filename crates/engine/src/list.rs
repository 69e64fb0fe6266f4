//! Iterators as lists.

/// Makes a list of what an iterator yields. `collect` is compiled as several functions for each iterator, which
/// together were 8 KB of the client.
pub trait IntoList: Iterator + Sized {
    /// All items, in their order.
    fn into_list(self) -> Vec<Self::Item> {
        let mut list = Vec::new();
        for item in self {
            list.push(item);
        }
        list
    }
}

impl<I: Iterator> IntoList for I {}

/// Keeps the items for which `keep` is true. For lists of which few items go; `Vec::retain` is three times the code
/// for each type.
pub fn retain<T>(list: &mut Vec<T>, mut keep: impl FnMut(&T) -> bool) {
    let mut index = 0;
    while let Some(item) = list.get(index) {
        if keep(item) {
            index += 1;
        } else {
            list.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_what_the_standard_library_makes() {
        assert_eq!((1..4).into_list(), [1, 2, 3]);
        let mut list = vec![1, 2, 3, 4, 5, 6];
        retain(&mut list, |n| n % 3 > 0);
        assert_eq!(list, [1, 2, 4, 5]);
        retain(&mut list, |_| false);
        assert_eq!(list, [0; 0]);
    }
}

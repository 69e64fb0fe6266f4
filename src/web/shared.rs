//! A cell for what several callbacks of a driver change.

use core::cell::{Ref, RefCell, RefMut};

/// A [`RefCell`] whose borrows carry no place in the source, of which there would be a hundred in the package.
#[derive(Default)]
pub(crate) struct Shared<T>(RefCell<T>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// The value, to read it.
    pub(crate) fn borrow(&self) -> Ref<'_, T> {
        self.0.borrow()
    }

    /// The value, to change it.
    pub(crate) fn borrow_mut(&self) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }

    /// Puts another value in its place. Returns the former one.
    pub(crate) fn replace(&self, value: T) -> T {
        self.0.replace(value)
    }
}

impl<T: Default> Shared<T> {
    /// The value, in whose place its default stays.
    pub(crate) fn take(&self) -> T {
        self.0.take()
    }
}

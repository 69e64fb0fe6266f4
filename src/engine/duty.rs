//! A core's own account: how much it works and how much it rests.

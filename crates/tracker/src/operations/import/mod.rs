//! Job lists: `read` says what one may look like, `part` divides it into transactions and continues one that
//! was broken off, `upload` takes one that comes over HTTP.

pub mod part;
pub mod read;
pub mod upload;

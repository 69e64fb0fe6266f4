//! Imports of job lists: `read` parses the formats, `part` divides a list into transactions and
//! continues an interrupted import, `upload` handles one that arrives over HTTP.

pub mod part;
pub mod read;
pub mod upload;

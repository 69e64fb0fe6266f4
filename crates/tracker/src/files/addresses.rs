//! Addresses of files and of parts, as they are handed out.

use ring::hmac;

use crate::{
    clock::Millis,
    rules::file_grants::{self, Part},
};

/// What addresses are made of.
pub struct Addresses {
    secret: hmac::Key,
    prefix: String,
    now: Millis,
    lease_s: u32,
}

impl Addresses {
    /// Addresses that are handed out now.
    #[must_use]
    pub fn new(secret: &hmac::Key, public_url: Option<&str>, lease_s: u32, now: Millis) -> Self {
        // Without it they are relative to the address that the client has, which may contain a path
        // that a proxy strips.
        Self {
            secret: secret.clone(),
            prefix: public_url.map_or_else(String::new, |url| format!("{url}/")),
            now,
            lease_s,
        }
    }

    /// The address of a file, for an hour and a lease.
    #[must_use]
    pub fn of_file(&self, name: &str) -> String {
        let until = file_grants::file_until(self.now, self.lease_s);
        let query = file_grants::file_query(&self.secret, name, until);
        format!("{}api/files/{name}?{query}", self.prefix)
    }

    /// The address of a file, relative to a page so many folders below the tracker's address.
    #[must_use]
    pub fn of_file_below(&self, folders: usize, name: &str) -> String {
        let until = file_grants::file_until(self.now, self.lease_s);
        let query = file_grants::file_query(&self.secret, name, until);
        format!("{}api/files/{name}?{query}", "../".repeat(folders))
    }

    /// The address of a part at the tracker.
    #[must_use]
    pub fn of_part(&self, part: &Part) -> String {
        let query = part.query(&self.secret);
        format!("{}api/uploads/part?{query}", self.prefix)
    }
}

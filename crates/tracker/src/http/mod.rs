//! The HTTP side: the router with all that requests pass through, the handlers of the API, the pages.

mod api;
pub mod base_path;
pub mod compression;
pub mod handlers;
pub mod openapi;
pub mod pages;
pub mod request;
pub mod request_id;
mod router;

pub use self::router::router;

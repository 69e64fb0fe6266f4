//! The HTTP server: the router and its middleware, the API handlers and the pages.

mod api;
pub mod base_path;
pub mod compression;
pub mod handlers;
pub mod join_path;
pub mod openapi;
pub mod pages;
pub mod request;
pub mod request_id;
mod router;

pub use self::router::router;

//! The headers by which a client proves that it holds a key (DPoP, RFC 9449).

/// The request header of `GET /api/new` that carries the proof.
pub const PROOF_HEADER: &str = "dpop";

/// The response header with a nonce for the next proof.
pub const NONCE_HEADER: &str = "dpop-nonce";

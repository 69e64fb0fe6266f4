//! Tells cargo that a new migration file is a reason to build again: the embedding macro sees
//! changes in the files it knows, not new ones.

#[allow(clippy::print_stdout)] // This is how a build script speaks to cargo.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}

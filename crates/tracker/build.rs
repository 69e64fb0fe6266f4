//! Embeds the built client, if there is one, into the program.

use std::{env, fmt::Write as _, fs, io, path::Path};

#[allow(clippy::print_stdout)] // This is how a build script speaks to cargo.
fn main() -> io::Result<()> {
    // The migrations' embedding macro notices changes of files that it knows, but no new ones.
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=client");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("client.rs"), client()?)
}

/// Returns a `Client` expression with the files of the only folder in `client/`, whose name is the
/// version.
fn client() -> io::Result<String> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let mut versions = entries(&Path::new(&root).join("client"))?;
    versions.retain(|path| path.is_dir());
    let Some(folder) = versions.pop() else {
        return Ok("Client { version: \"\", files: &[] }".to_owned());
    };
    let mut files = String::new();
    for file in entries(&folder)? {
        let name = file.file_name().unwrap_or_default();
        let _ = write!(files, "({name:?}, include_bytes!({file:?})), ");
    }
    let version = folder.file_name().unwrap_or_default();
    Ok(format!(
        "Client {{ version: {version:?}, files: &[{files}] }}"
    ))
}

fn entries(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut paths: Vec<_> = match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    paths.sort();
    Ok(paths)
}

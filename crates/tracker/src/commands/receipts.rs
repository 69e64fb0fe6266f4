//! `receipts verify`: says of each receipt what it is for, or what is wrong with it.

use std::{fs, io::Read as _, path::Path};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    cli::{ReceiptsArgs, ReceiptsCommand, VerifyArgs},
    list::line,
    open::open_to_read,
};
use crate::{
    admission::keys,
    rules::{
        jwk::PublicKey,
        receipt::{self, Receipt},
        terminal::harmless,
        times,
    },
};

/// Runs a command of `receipts`.
///
/// # Errors
/// Returns a sentence that says what cannot be read, or how many receipts are wrong.
pub async fn run(args: &ReceiptsArgs) -> Result<(), String> {
    match &args.command {
        ReceiptsCommand::Verify(args) => verify(args).await,
    }
}

/// The answer of `/api/receipts`.
#[derive(Deserialize)]
struct Answer {
    receipts: Vec<String>,
}

async fn verify(args: &VerifyArgs) -> Result<(), String> {
    let key = match &args.key {
        Some(file) => key_of(&read(file)?).map_err(|why| format!("{}: {why}", file.display()))?,
        None => {
            let store = open_to_read(&args.database).await?;
            let signer = keys::existing_signer(store.as_ref()).await;
            store.close().await;
            let signer = signer.map_err(|error| format!("The key cannot be read: {error}."))?;
            let none = "This database has signed no receipts; name a file with the key: --key.";
            signer.ok_or(none)?.public().clone()
        }
    };
    let text = read(&args.file)?;
    let receipts = match serde_json::from_str::<Answer>(&text) {
        Ok(answer) => answer.receipts,
        Err(_) => text.lines().map(str::trim).map(str::to_owned).collect(),
    };
    let (mut good, mut wrong) = (0_u64, 0_u64);
    for (at, text) in (1_u64..).zip(&receipts) {
        if text.is_empty() {
            continue;
        }
        let shown = match receipt::verify(text, &key) {
            Ok(receipt) => {
                good += 1;
                shown(&receipt)
            }
            Err(why) => {
                wrong += 1;
                vec!["wrong".to_owned(), format!("number {at}"), why.to_owned()]
            }
        };
        let fields: Vec<&str> = shown.iter().map(String::as_str).collect();
        if !line(&fields)? {
            return Ok(());
        }
    }
    match (good, wrong) {
        (0, 0) => Err(format!("{} contains no receipts.", args.file.display())),
        (_, 0) => Ok(()),
        (_, wrong) => Err(format!("{wrong} of {} receipts are wrong.", good + wrong)),
    }
}

fn shown(receipt: &Receipt) -> Vec<String> {
    vec![
        "good".to_owned(),
        times::stamp(receipt.iat.saturating_mul(1_000)),
        harmless(&receipt.project).to_string(),
        format!("job {}", receipt.job),
        format!("stage {}", receipt.stage),
        format!("key {}", receipt.sub),
        format!("input {}", receipt.input),
        format!("output {}", receipt.output),
    ]
}

/// The key of a JSON Web Key Set, or a single one.
fn key_of(text: &str) -> Result<PublicKey, &'static str> {
    #[derive(Deserialize)]
    struct KeySet<'a> {
        #[serde(borrow)]
        keys: Vec<&'a RawValue>,
    }
    match serde_json::from_str::<KeySet<'_>>(text) {
        Ok(set) => {
            let first = set.keys.first().ok_or("there is no key in it.")?;
            PublicKey::parse(first.get())
        }
        Err(_) => PublicKey::parse(text),
    }
}

fn read(file: &Path) -> Result<String, String> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| format!("{} cannot be read: {error}.", file.display()))
}

//! The commands: they interpret the command line and print to the terminal. The work itself is in
//! `operations` and `serve`.

pub mod audit;
pub mod backup;
pub mod ban;
pub mod cli;
mod confirm;
pub mod copy;
pub mod export;
pub mod import;
mod list;
mod open;
pub mod pause;
pub mod prune;
pub mod receipts;
pub mod requeue;
pub mod serve;
pub mod stages;
pub mod trust;
pub mod workers;

use self::cli::Command;
use crate::operations::stages::Change;

/// Runs a command.
///
/// # Errors
/// Returns one or more sentences that say why it failed.
pub async fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Serve(args) => serve::run(&args).await,
        Command::CheckConfig(args) => serve::check(&args).await,
        Command::Import(args) => import::run(&args).await,
        Command::Export(args) => export::run(&args).await,
        Command::Backup(args) => backup::run(&args).await,
        Command::Copy(args) => copy::run(&args).await,
        Command::Prune(args) => prune::run(&args).await,
        Command::Audit(args) => audit::run(&args).await,
        Command::Requeue(args) => requeue::run(&args).await,
        Command::Reopen(args) => stages::run(Change::Reopen, &args).await,
        Command::Close(args) => stages::run(Change::Close, &args).await,
        Command::Workers(args) => workers::run(&args).await,
        Command::Ban(args) => ban::run(&args).await,
        Command::Pardon(args) => ban::run_pardon(&args).await,
        Command::Pause(args) => pause::run(&args).await,
        Command::Resume(args) => pause::run_resume(&args).await,
        Command::Receipts(args) => receipts::run(&args).await,
        Command::Trust(args) => trust::run(&args).await,
        Command::Revert(args) => trust::run_revert(&args).await,
        Command::Release(args) => trust::run_release(&args).await,
    }
}

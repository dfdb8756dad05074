//! Process start: the allocator and the command line.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wagonway::{
    config::Config,
    live,
    replay::{self, Options},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
enum Command {
    Run {
        #[arg(long)]
        config: PathBuf,
    },
    Replay {
        #[arg(long)]
        config: Option<PathBuf>,
        #[arg(long)]
        port: Vec<String>,
        #[arg(long)]
        write: Option<PathBuf>,
        #[arg(long)]
        workers: Option<u16>,
        #[arg(long)]
        strict_mac: bool,
        #[arg(long)]
        strict_neighbours: bool,
    },
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Run { config } => {
            let config = match Config::load(&config) {
                Ok(config) => config,
                Err(errors) => {
                    eprintln!("{errors}");
                    return ExitCode::FAILURE;
                }
            };
            if let Err(error) = live::run(config) {
                eprintln!("error: {error}");
                if let Some(hint) = error.hint() {
                    eprintln!("hint: {hint}");
                }
                return ExitCode::FAILURE;
            }
        }
        Command::Replay { config, port, write, workers, strict_mac, strict_neighbours } => {
            let config = match config {
                Some(path) => Config::load(&path).unwrap(),
                None => Config::embedded_default().unwrap(),
            };
            let captures = port
                .iter()
                .map(|port| {
                    let (name, file) = port.split_once('=').unwrap();
                    (name.to_owned(), file.into())
                })
                .collect();
            let options = Options {
                config,
                captures,
                write,
                repeat: 1,
                workers,
                strict_mac,
                strict_neighbours,
                routes_auto: false,
                progress: false,
            };
            let report = replay::replay(&options).unwrap();
            println!("{}", serde_json::to_string_pretty(&report).unwrap());
        }
    }
    ExitCode::SUCCESS
}

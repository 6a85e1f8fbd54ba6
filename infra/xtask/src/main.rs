//! Everything a person or CI runs in this repository: `cargo xtask demo`, `cargo xtask test`,
//! `cargo xtask hosts`, `cargo xtask bench` and `cargo xtask measure`.
//!
//! xtask drives the product only through its programs and public interfaces; it links no crate of the
//! product. It has few dependencies on purpose, because they are compiled before its first line appears.

mod accuracy;
mod bench;
mod demo;
mod hosts;
mod measure;
mod setup;
mod shell;
mod steps;
mod test;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Run, test and try out NetPatch from a clone"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the platform, a relay and three real Debian hosts, and patch them
    Demo(demo::Options),
    /// Install what the tests need and run all of them
    Test(test::Options),
    /// Say how right `netpatch match` is, against recorded answers and debsecan
    Accuracy(accuracy::Options),
    /// Real Debian hosts in namespaces, for trying things by hand
    Hosts(hosts::Arguments),
    /// The load tests in a release build, and the programs of others that they are measured beside
    Bench(bench::Options),
    /// Figures that are promised, measured on this machine; not part of the tests
    Measure(measure::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Accuracy(options) => accuracy::run(&options),
        Command::Hosts(arguments) => hosts::run(arguments),
        Command::Bench(options) => bench::run(&options),
        Command::Measure(arguments) => measure::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<shell::Interrupted>() => {
            eprintln!("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

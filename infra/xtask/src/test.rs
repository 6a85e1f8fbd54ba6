//! `cargo xtask test`: installs what is missing and runs every test, lint and drift check.
//!
//! CI runs this and nothing else. Order: cheap and telling first, real apt on real hosts last.

mod lint;
mod portal;
mod rust;
mod web;

use crate::setup::{self, debian};
use crate::steps::Steps;
use crate::workspace::{self, Target};
use crate::{demo, shell};
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::process::Command;

/// The name of the variable that tells the tests themselves to leave out what needs root.
const UNPRIVILEGED: &str = "NETPATCH_TEST_UNPRIVILEGED";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out what needs root and namespaces (CI never does)
    #[arg(long)]
    unprivileged: bool,
    /// Run one part only
    #[arg(long, value_enum)]
    only: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// cargo test, crate edges included
    Rust,
    /// The portal: types, lint, unit tests, build, a real Chromium
    Web,
    /// rustfmt, clippy, cargo-deny
    Lint,
    /// The demo on real hosts, checked
    E2e,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

/// Runs the wanted parts; fails if any step failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.unprivileged && !setup::has_namespaces() {
        bail!(
            "the tests need root and namespaces; without them run cargo xtask test --unprivileged"
        );
    }
    shell::catch_interrupts()?;
    let target = Target::choose()?;
    eprintln!("compiled files: {}", target.folder.display());
    let _lock = if target.shared {
        Some(rust::prepare_shared(&target)?)
    } else {
        None
    };
    let mut steps = Steps::new();

    let packages = packages(options);
    steps.run("install what is missing", "cargo xtask test", || {
        debian::install(&packages)
    })?;
    if options.wants(Part::Lint) {
        lint::run(&mut steps, &target)?;
    }
    if options.wants(Part::Rust) {
        rust::run(&mut steps, &target, options.unprivileged)?;
    }
    if options.wants(Part::Web) {
        web::run(&mut steps, &target)?;
    }
    if options.wants(Part::E2e) && !options.unprivileged {
        let repeat = "cargo xtask test --only e2e";
        let built = options.wants(Part::Rust)
            || steps.run("build the programs", repeat, || rust::build(&target))?;
        let has_portal =
            options.wants(Part::Web) || steps.run("build the portal", repeat, web::build)?;
        if built && has_portal {
            steps.run("the demo on real hosts, and its portal", repeat, || {
                demo::check(&target, &mut portal::Browser::default())
            })?;
        }
    }
    steps.finish()
}

fn packages(options: &Options) -> Vec<&'static str> {
    let mut packages = Vec::new();
    if options.wants(Part::Rust) {
        packages.extend(
            debian::PLATFORM
                .iter()
                .chain(debian::TESTS)
                .chain(debian::HOSTS),
        );
    }
    if options.wants(Part::Web) {
        packages.extend(debian::PLATFORM.iter().chain(debian::BROWSER));
    }
    if options.wants(Part::E2e) && !options.unprivileged {
        packages.extend(
            debian::PLATFORM
                .iter()
                .chain(debian::HOSTS)
                .chain(debian::DRIVER)
                .chain(debian::BROWSER),
        );
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// A cargo that compiles into the chosen folder, run from the root of the clone.
fn cargo(target: &Target) -> Command {
    let mut cargo = shell::command("cargo");
    cargo
        .current_dir(workspace::root())
        .env("CARGO_TARGET_DIR", &target.folder);
    if workspace::in_ci() {
        // Every clone would leave its own incremental state in the shared folder, and none reads it again.
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    cargo
}

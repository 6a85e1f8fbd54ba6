//! `cargo xtask demo`: the whole loop on three real Debian hosts, exposed → patched → proven.
//!
//! The demo drives the product only through its programs and its public API. Each step checks its own
//! result against real state (the host's dpkg, the relay's counters, `netpatch verify`), so a step that
//! did not happen is a failed step. Everything started is owned by a value of [`play`] and is removed
//! when that is dropped, on Ctrl-C too; what a killed run left behind is removed by the next.

pub(crate) mod api;
mod estate;
mod evidence;
mod explain;
mod feed;
pub(crate) mod folder;
mod guest;
pub(crate) mod platform;
mod policy;
mod prepare;
pub(crate) mod process;
mod queue;
mod relay;
mod repository;
mod rollout;
pub(crate) mod show;
mod summary;
mod verdict;
mod webhook;
mod window;

use crate::hosts::sweep;
use crate::shell;
use crate::workspace::Target;
use anyhow::Result;
pub(crate) use guest::Guest;
use guest::Nobody;
use serde_json::Value;
pub(crate) use show::Show;
use std::path::Path;
use std::thread;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Do the same without staying; exit non-zero if any step did not happen
    #[arg(long)]
    check: bool,
    /// Use the programs as they were built last
    #[arg(long)]
    no_build: bool,
}

/// The command: prepares, plays, and stays until Ctrl-C unless it only checks.
pub(crate) fn run(options: &Options) -> Result<()> {
    shell::catch_interrupts()?;
    prepare::require_root_on_debian()?;
    let target = Target::choose()?;
    prepare::install()?;
    if !options.no_build {
        prepare::build(&target)?;
    }
    play(&target, &mut Show::new(), &mut Nobody, !options.check)
}

/// The demo as a test, with programs that are built already, before somebody's eyes.
pub(crate) fn check(target: &Target, guest: &mut dyn Guest) -> Result<()> {
    prepare::require_root_on_debian()?;
    play(target, &mut Show::new(), guest, false)
}

/// A platform with nothing on it but its first administrator.
pub(crate) struct Alone<'a> {
    /// Everything of it is here.
    pub(crate) folder: &'a Path,
    /// `http://ADDRESS` of portal and API.
    pub(crate) url: &'a str,
    /// Where relays and agents reach it.
    pub(crate) edge: &'a str,
    /// The first login, as [`Guest`]s are told of people.
    pub(crate) administrator: Value,
    /// The administrator's bearer token.
    pub(crate) token: &'a str,
}

/// A platform alone, for as long as `use_it` runs.
pub(crate) fn with_platform(
    target: &Target,
    use_it: impl FnOnce(&Alone<'_>) -> Result<()>,
) -> Result<()> {
    folder::remove_dead()?;
    let folder = folder::Folder::create()?;
    let platform = platform::start(&mut Show::new(), target, folder.path())?;
    let administrator = platform.administrator()?;
    use_it(&Alone {
        folder: folder.path(),
        url: &platform.http,
        edge: &platform.quic,
        administrator: guest::login(&administrator),
        token: administrator.api.token(),
    })
}

/// All steps in order. Values are dropped in reverse: hosts first, then relay, LAN, platform, folder.
fn play(target: &Target, show: &mut Show, guest: &mut dyn Guest, stays: bool) -> Result<()> {
    sweep::dead_runs()?;
    folder::remove_dead()?;
    let folder = folder::Folder::create()?;
    let base = prepare::base_file_system(show)?;
    let platform = platform::start(show, target, folder.path())?;
    let people = platform::people(show, &platform)?;
    feed::import(show, target, &platform)?;
    let repository = repository::serve(show, folder.path())?;
    let lan = estate::lan(show)?;
    let site = platform::site(show, &people, &repository)?;
    let relay = relay::start(show, target, &platform, &people, &site, &lan, folder.path())?;
    let hosts = estate::hosts(show, target, &lan, &base, &repository)?;
    let _agents = estate::enrol(show, &hosts, &platform, &relay, &people, &site)?;
    let pending = estate::scan(show, &people)?;
    queue::show_top(show, &people)?;
    explain::worst(show, target, &platform, &people, folder.path())?;
    let mut receiver = webhook::register(show, &people, folder.path())?;
    let window = window::create(show, &people)?;
    let policy = policy::create(show, &people, &window)?;
    let patches = policy::approve(show, &people, &policy, pending)?;
    let before = verdict::Before::take(show, &people, &hosts)?;
    let deployment = rollout::create(show, &people, &policy, &patches)?;
    let facts = guest::facts(&platform, &people, &relay, &deployment)?;
    guest.rollout_begins(show, folder.path(), &facts)?;
    rollout::follow(show, &people, &deployment, &window)?;
    verdict::check_hosts(show, &people, &hosts, &deployment, &before)?;
    verdict::check_relay(show, &relay, &people, &deployment)?;
    verdict::check_compliance(show, &people, &before)?;
    let pack = evidence::export(show, &people, &deployment, folder.path())?;
    evidence::verify(show, target, &pack)?;
    webhook::check(show, &people, &mut receiver, &deployment)?;
    let facts = guest::facts(&platform, &people, &relay, &deployment)?;
    guest.rollout_ended(show, folder.path(), &facts)?;
    summary::print(&people, &deployment, show)?;
    if stays {
        stay(&platform, &people, &pack)?;
    }
    Ok(())
}

/// Says where the portal is and waits for Ctrl-C.
fn stay(platform: &platform::Platform, people: &platform::People, pack: &Path) -> Result<()> {
    println!();
    println!("The portal: {}", platform.portal());
    for person in [&people.requester, &people.approver] {
        println!("  sign in as {} with {}", person.email, person.password);
    }
    println!("The evidence pack: {}", pack.display());
    println!("Ctrl-C stops and removes everything.");
    while shell::check_interrupted().is_ok() {
        thread::sleep(Duration::from_millis(200));
    }
    eprintln!("stopping and removing everything …");
    Ok(())
}

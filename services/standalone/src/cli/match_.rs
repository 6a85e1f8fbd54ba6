//! `netpatch match`: which advisories of a pack apply, offline; by a dpkg status file or by package URLs.

mod purls;
mod status;

use anyhow::Context as _;
use netpatch_inventory::pack::offline::{Matcher, Offline};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say which advisories of a pack apply, offline.
///
/// Exit codes: 0 all was judged, 1 failed, 3 a line could not be judged (stderr says which and why).
#[derive(clap::Args)]
pub(crate) struct Match {
    /// The pack's folder; only the feeds that are needed are read.
    #[arg(long, value_name = "DIR")]
    pack: PathBuf,
    #[command(flatten)]
    input: Input,
    /// Print advisories without a CVE too (with --dpkg-status).
    #[arg(long, conflicts_with = "purls")]
    all: bool,
    /// Leave out signed packages (kernel images, shim), which debsecan does not know (with --dpkg-status).
    #[arg(long, conflicts_with = "purls")]
    without_signed: bool,
    /// Print the CVEs of the advisories instead of their ids (with --purls).
    #[arg(long, conflicts_with = "dpkg_status")]
    cves: bool,
    /// Print records that are no vulnerabilities too, with their kind (unmaintained, …) in a third column (with --purls).
    #[arg(long, conflicts_with = "dpkg_status")]
    informational: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Input {
    /// dpkg's status file of a Debian host, `-` for stdin. Prints cve, binary, source, source version and fixing version,
    /// tab-separated, sorted, each line once.
    #[arg(long, value_name = "FILE")]
    dpkg_status: Option<PathBuf>,
    /// Package URLs, one a line, `-` for stdin. Prints package URL and advisory, tab-separated, advisories sorted; nothing for one
    /// that is clean.
    #[arg(long, value_name = "FILE")]
    purls: Option<PathBuf>,
}

impl Match {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let pack = Offline::open(&self.pack, self.informational)?;
        let mut told = Told::default();
        if let Some(path) = &self.input.dpkg_status {
            let show = status::Show {
                all: self.all,
                signed: !self.without_signed,
            };
            status::run(&pack, open(path)?, show, &mut told)?;
        }
        if let Some(path) = &self.input.purls {
            purls::run(&pack, open(path)?, self.cves, &mut told)?;
        }
        Ok(if told.0 {
            ExitCode::from(3)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Whether something was told on stderr.
#[derive(Default)]
struct Told(bool);

impl Told {
    fn tell(&mut self, message: impl std::fmt::Display) {
        self.0 = true;
        eprintln!("netpatch: {message}");
    }
}

/// Says which records of a feed could not be read.
fn note(matcher: &Matcher) {
    if let Some(problem) = &matcher.problem {
        eprintln!(
            "netpatch: {} records of the pack were skipped, first: {problem}",
            matcher.skipped
        );
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

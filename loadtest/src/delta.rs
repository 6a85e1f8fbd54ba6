//! Bytes on the line for real updates: the difference that a relay would fetch, beside whole files, xdelta3 and debdelta.
//!
//! The pairs are what the machine's own apt offers: for each package the version of the release and the newest one of its security
//! archive. What is rebuilt is compared with the file.

use crate::report::{Goal, Report, figure};
use anyhow::{Context, Result, bail};
use netpatch_delta::{DeltaError, Limits, Pair, make, rebuild};
use netpatch_types::Sha256;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Packages that many hosts have and that security updates often concern.
const PACKAGES: &[&str] = &[
    "openssl",
    "libssl3",
    "python3.11-minimal",
    "libpython3.11-stdlib",
    "bind9-libs",
    "nginx",
    "perl-base",
    "libperl5.36",
    "postgresql-15",
    "mariadb-server-core",
    "openjdk-17-jre-headless",
    "libexpat1",
    "apache2-bin",
    "php8.2-cli",
    "gstreamer1.0-plugins-good",
    "imagemagick-6.q16",
    "libmagickcore-6.q16-6",
    "ghostscript",
    "libgs10",
    "xserver-xorg-core",
    "libnss3",
    "firefox-esr",
    "rsync",
    "ruby3.1",
    "libruby3.1",
    "redis-server",
    "libpq5",
    "libarchive13",
    "squid",
    "libcurl4",
    "curl",
    "libc6",
    "libc-bin",
    "systemd",
    "libsystemd0",
    "sudo",
    "openssh-server",
    "openssh-client",
    "vim-common",
    "libxml2",
    "libtiff6",
    "libgnutls30",
    "git",
    "wget",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "samba-libs",
    "libvpx7",
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the packages are kept between runs
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Only the first so many packages that have an update
    #[arg(long, default_value_t = 48)]
    packages: usize,
    /// The release's suite
    #[arg(long, default_value = "bookworm/main")]
    from: String,
    /// Its security archive's suite
    #[arg(long, default_value = "bookworm-security/main")]
    to: String,
}

struct Update {
    name: &'static str,
    old: Vec<u8>,
    new: Vec<u8>,
    old_path: PathBuf,
    new_path: PathBuf,
}

#[derive(Default)]
struct Sum {
    whole: usize,
    ours: usize,
    xdelta3: usize,
    debdelta: usize,
    worst: f64,
    not_reproduced: usize,
}

pub(crate) fn run(options: &Options, seed: u64) -> Result<Report> {
    let mut report = Report::new("delta", seed);
    fs::create_dir_all(&options.folder).context("make the folder for packages")?;
    let limits = Limits::default();
    let mut sum = Sum::default();
    let mut count = 0usize;
    for name in PACKAGES {
        if count == options.packages {
            break;
        }
        let Some(update) = update(name, options)? else {
            continue;
        };
        count += 1;
        one(&update, &limits, &options.folder, &mut sum, &mut report)?;
    }
    if count == 0 {
        bail!(
            "apt offers no update of any of the packages: run apt-get update, or name other suites"
        );
    }
    report.scene("pairs", count);
    report.scene("suites", format!("{} to {}", options.from, options.to));
    totals(&sum, &mut report);
    Ok(report)
}

fn one(
    update: &Update,
    limits: &Limits,
    folder: &Path,
    sum: &mut Sum,
    report: &mut Report,
) -> Result<()> {
    let Update { old, new, .. } = update;
    let started = Instant::now();
    let made = make(old, new, limits);
    let making = started.elapsed();
    let (bytes, how) = match made {
        Ok(recipe) => {
            let pair = Pair {
                old: Sha256::of(old),
                new: Sha256::of(new),
                new_bytes: new.len() as u64,
            };
            let started = Instant::now();
            if rebuild(old, &recipe, &pair, limits)? != *new {
                bail!("{} is not rebuilt exactly", update.name);
            }
            let how = format!("made in {making:.1?}, rebuilt in {:.1?}", started.elapsed());
            (recipe.len(), how)
        }
        Err(DeltaError::Compression(error)) => return Err(error.into()),
        Err(error) => {
            if matches!(error, DeltaError::Encoding(_)) {
                sum.not_reproduced += 1;
            }
            (new.len(), format!("whole: {error}"))
        }
    };
    let out = folder.join("difference");
    let mut xdelta3 = Command::new("xdelta3");
    xdelta3.args(["-e", "-f", "-9", "-B", "268435456", "-s"]);
    xdelta3
        .arg(&update.old_path)
        .arg(&update.new_path)
        .arg(&out);
    let xdelta3 = printed_bytes(xdelta3, &out)?
        .unwrap_or(new.len())
        .min(new.len());
    let mut debdelta = Command::new("debdelta");
    debdelta
        .arg("--no-md5")
        .arg(&update.old_path)
        .arg(&update.new_path)
        .arg(&out);
    let debdelta = printed_bytes(debdelta, &out)?
        .unwrap_or(new.len())
        .min(new.len());
    sum.whole += new.len();
    sum.ours += bytes;
    sum.xdelta3 += xdelta3;
    sum.debdelta += debdelta;
    sum.worst = sum.worst.max(share(bytes, new.len()));
    report.row(
        update.name,
        share(bytes, new.len()),
        "of the file",
        format!(
            "{} bytes; xdelta3 {:.3}, debdelta {:.3}; {how}",
            new.len(),
            share(xdelta3, new.len()),
            share(debdelta, new.len())
        ),
    );
    Ok(())
}

fn totals(sum: &Sum, report: &mut Report) {
    report.row(
        "whole files",
        figure(sum.whole) / 1e6,
        "MB",
        "what a cache of whole files fetches",
    );
    report.goal(
        "all pairs, against whole files",
        share(sum.ours, sum.whole),
        "times",
        Goal::AtMost(0.5),
        format!(
            "{} pairs whose compression could not be reproduced went whole",
            sum.not_reproduced
        ),
    );
    report.goal("the worst pair", sum.worst, "times", Goal::AtMost(1.01), "");
    report.goal(
        "all pairs, against xdelta3 of the files",
        share(sum.ours, sum.xdelta3),
        "times",
        Goal::AtMost(1.0),
        format!(
            "xdelta3 -9 alone: {:.3} of whole files",
            share(sum.xdelta3, sum.whole)
        ),
    );
    report.goal(
        "all pairs, against debdelta",
        share(sum.ours, sum.debdelta),
        "times",
        Goal::AtMost(1.0),
        format!(
            "debdelta alone: {:.3} of whole files",
            share(sum.debdelta, sum.whole)
        ),
    );
}

fn share(part: usize, whole: usize) -> f64 {
    figure(part) / figure(whole)
}

/// Bytes of what a program wrote; `None` when it says that it cannot.
fn printed_bytes(mut command: Command, out: &Path) -> Result<Option<usize>> {
    let _ = fs::remove_file(out);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().with_context(|| {
        format!(
            "start {:?}: cargo xtask bench --setup installs it",
            command.get_program()
        )
    })?;
    if !status.success() {
        return Ok(None);
    }
    Ok(fs::metadata(out)
        .ok()
        .and_then(|meta| usize::try_from(meta.len()).ok()))
}

/// Both versions of a package; `None` where the security archive has nothing newer.
fn update(name: &'static str, options: &Options) -> Result<Option<Update>> {
    let output = Command::new("apt-cache").args(["madison", name]).output();
    let output = output.context("start apt-cache")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let of = |suite: &str| {
        text.lines().find_map(|line| {
            let mut cells = line.split('|').map(str::trim);
            let (_, version, source) = (cells.next()?, cells.next()?, cells.next()?);
            source
                .split(' ')
                .any(|word| word == suite)
                .then(|| version.to_owned())
        })
    };
    let (Some(old), Some(new)) = (of(&options.from), of(&options.to)) else {
        return Ok(None);
    };
    let is_newer = Command::new("dpkg")
        .args(["--compare-versions", &new, "gt", &old])
        .status()?;
    if !is_newer.success() {
        return Ok(None);
    }
    let (old_path, new_path) = (fetched(name, &old, options)?, fetched(name, &new, options)?);
    Ok(Some(Update {
        name,
        old: fs::read(&old_path)?,
        new: fs::read(&new_path)?,
        old_path,
        new_path,
    }))
}

/// Where a version of a package lies; fetched by apt unless it is there.
fn fetched(name: &str, version: &str, options: &Options) -> Result<PathBuf> {
    let folder = options
        .folder
        .join(format!("{name}={}", version.replace([':', '/'], "_")));
    let found = |folder: &Path| -> Option<PathBuf> {
        let mut files = fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()));
        files.find(|path| path.extension().is_some_and(|end| end == "deb"))
    };
    if let Some(path) = found(&folder) {
        return Ok(path);
    }
    fs::create_dir_all(&folder)?;
    let status = Command::new("apt-get")
        .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
        .arg(format!("{name}={version}"))
        .current_dir(&folder)
        .stdout(Stdio::null())
        .status()
        .context("start apt-get")?;
    if !status.success() {
        bail!("apt-get could not download {name}={version}");
    }
    found(&folder).with_context(|| format!("apt-get left no package of {name}={version}"))
}

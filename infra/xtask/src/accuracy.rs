//! `cargo xtask accuracy`: how right `netpatch match` is, against recorded answers of other tools and against debsecan itself.
//!
//! Each fixture gets its precision (how much of what was found is right) and recall (how much of what is right was found); below
//! 99 % the command fails. What differs from debsecan is printed with the reason, and a difference without one fails too.

mod debian;
mod debsecan;
mod registry;

use crate::setup::debian as packages;
use crate::shell;
use crate::workspace::{Target, root};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The least precision and recall, in percent.
const GOAL: f64 = 99.0;

/// How right `netpatch match` is
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A whole pack, instead of the feeds in the repository
    #[arg(long, value_name = "DIR")]
    pack: Option<PathBuf>,
    /// The program to judge, instead of one that is built now
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// One comparison with what is expected.
struct Score {
    name: String,
    expected: usize,
    found: usize,
    right: usize,
}

impl Score {
    fn of<T: Ord>(name: impl Into<String>, expected: &BTreeSet<T>, found: &BTreeSet<T>) -> Self {
        Self {
            name: name.into(),
            expected: expected.len(),
            found: found.len(),
            right: expected.intersection(found).count(),
        }
    }

    fn precision(&self) -> f64 {
        percent(self.right, self.found)
    }

    fn recall(&self) -> f64 {
        percent(self.right, self.expected)
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of findings are far below 2^52"
)]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        100.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

/// Where the program, the feeds and the fixtures are.
struct Bench {
    program: PathBuf,
    debian_pack: PathBuf,
    other_pack: PathBuf,
    data: PathBuf,
}

impl Bench {
    /// What the program prints; its exit code may say that lines could not be judged.
    fn matches(&self, pack: &Path, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(&self.program)
            .arg("match")
            .arg("--pack")
            .arg(pack)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        let mut stdin = child.stdin.take().context("the program's input")?;
        let input = input.to_owned();
        // It prints while it reads.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        let written = writer.join().ok().context("writing died")?;
        written.context("write to the program")?;
        if !output.status.success() {
            bail!(
                "netpatch match {} ended with {}",
                arguments.join(" "),
                output.status
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A fixture, unpacked.
    fn fixture(&self, path: &str) -> Result<String> {
        unpacked(&self.data.join(format!("{path}.zst")))
    }
}

fn unpacked(path: &Path) -> Result<String> {
    shell::output(Command::new("zstd").arg("-dcq").arg(path))
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<()> {
    packages::install(&["zstd", "debsecan"])?;
    let inventory = root().join("services/inventory");
    let bench = Bench {
        program: match &options.program {
            Some(program) => std::path::absolute(program)?,
            None => build()?,
        },
        debian_pack: options
            .pack
            .clone()
            .unwrap_or_else(|| inventory.join("data/pack")),
        other_pack: options
            .pack
            .clone()
            .unwrap_or_else(|| inventory.join("tests/data/pack")),
        data: inventory.join("tests/data"),
    };
    let mut scores = Vec::new();
    let feed = debsecan::Feed::of(&bench.debian_pack)?;
    let mut unexplained = 0;
    for host in debian::HOSTS {
        let judged = debian::judge(&bench, host)?;
        unexplained += debsecan::compare(&feed, host, &judged)?;
        scores.push(judged.score);
    }
    scores.extend(registry::judge(&bench)?);
    println!(
        "\n{:<38} {:>9} {:>9} {:>9} {:>10} {:>8}",
        "fixture", "expected", "found", "right", "precision", "recall"
    );
    for score in &scores {
        println!(
            "{:<38} {:>9} {:>9} {:>9} {:>9.2}% {:>7.2}%",
            score.name,
            score.expected,
            score.found,
            score.right,
            score.precision(),
            score.recall()
        );
    }
    println!(
        "OpenSCAP is not compared: no OVAL definitions exist for this pack, and ones made from it would judge our own reading of it."
    );
    let low = scores
        .iter()
        .filter(|score| score.precision() < GOAL || score.recall() < GOAL)
        .count();
    if low > 0 || unexplained > 0 {
        bail!(
            "{low} fixtures below {GOAL} %, {unexplained} differences from debsecan without a reason"
        );
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    let target = Target::choose()?;
    shell::run(
        shell::command("cargo")
            .args(["build", "--package", "netpatch"])
            .env("CARGO_TARGET_DIR", &target.folder)
            .current_dir(root()),
    )?;
    Ok(target.program("netpatch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_tells_what_is_missed_from_what_is_made_up() {
        let score = Score::of(
            "x",
            &BTreeSet::from([1, 2, 3, 4]),
            &BTreeSet::from([2, 3, 4, 5, 6, 7]),
        );
        assert!((score.precision() - 50.0).abs() < f64::EPSILON);
        assert!((score.recall() - 75.0).abs() < f64::EPSILON);
        let nothing = Score::of("x", &BTreeSet::<u8>::new(), &BTreeSet::new());
        assert!((nothing.precision() - 100.0).abs() < f64::EPSILON);
    }
}

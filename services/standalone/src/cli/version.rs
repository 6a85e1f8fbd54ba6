//! `netpatch version compare`: the version orders of the matching, for whoever wants to check or use them.

use crate::cli::lines::{self, Unanswered};
use netpatch_types::Ecosystem;
use netpatch_types::version;
use std::cmp::Ordering;
use std::process::ExitCode;

/// Compare versions as their ecosystem does.
#[derive(clap::Subcommand)]
pub(crate) enum Version {
    /// Compare pairs of versions, without a server.
    ///
    /// Reads lines `a<TAB>b` from standard input and prints for each, in the same order, one line: `-1` when a comes before b, `0`
    /// when they are equal, `1` when a comes after b, `invalid` when one of them is not a version of the ecosystem, the line has no
    /// tab, is longer than 64 KiB or not UTF-8. Standard error names the first 20 lines of the latter kinds by number. A
    /// carriage return at a line's end does not count.
    ///
    /// Exit codes: 0 every line was compared, or there was none; 3 some were invalid; 2 wrong usage.
    Compare {
        /// Whose versions they are.
        #[arg(long, value_name = "NAME", long_help = names())]
        ecosystem: Ecosystem,
    },
}

fn names() -> String {
    let mut text = "Whose versions they are, by one of its names, in any case:".to_owned();
    for ecosystem in Ecosystem::ALL {
        text += &format!("\n  {ecosystem:9} {}", ecosystem.aliases().join(", "));
    }
    text
}

impl Version {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Compare { ecosystem } = self;
        lines::answer(|line, reply| {
            let (left, right) = line
                .split_once('\t')
                .ok_or(Unanswered::Malformed("no tab between two versions"))?;
            let order =
                version::compare(ecosystem, left, right).map_err(|_| Unanswered::Invalid)?;
            reply.extend_from_slice(match order {
                Ordering::Less => b"-1",
                Ordering::Equal => b"0",
                Ordering::Greater => b"1",
            });
            Ok(())
        })
    }
}

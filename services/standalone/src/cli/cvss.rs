//! `netpatch cvss score`: the scores of the matching, for whoever wants to check or use them.

use crate::cli::lines::{self, Unanswered};
use netpatch_types::cvss::scores;
use std::io::Write as _;
use std::process::ExitCode;

/// Compute CVSS scores.
#[derive(clap::Subcommand)]
pub(crate) enum Cvss {
    /// Compute the scores of vectors, without a server.
    ///
    /// Reads a vector of CVSS 2.0, 3.0, 3.1 or 4.0 a line from standard input and prints for each, in the same order, one line: its
    /// base score with one decimal (`9.8`), or `invalid` when the line is not a complete vector, is longer than 64 KiB or not UTF-8.
    /// Version 4.0 has one score, from all the metrics of the vector. Standard error names the first 20 lines of the latter two
    /// kinds by number. A carriage return at a line's end does not count.
    ///
    /// Exit codes: 0 every vector was scored, or there was none; 3 some were invalid; 2 wrong usage.
    Score {
        /// Print the score with the temporal and environmental metrics that a vector has.
        #[arg(long)]
        overall: bool,
    },
}

impl Cvss {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Score { overall } = self;
        lines::answer(|line, reply| {
            let scores = scores(line).map_err(|_| Unanswered::Invalid)?;
            let score = if overall { scores.overall } else { scores.base };
            write!(reply, "{score}").map_err(|_| Unanswered::Invalid)
        })
    }
}

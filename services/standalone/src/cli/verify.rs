//! `netpatch verify PACK`: the same check as the small program `netpatch-verify`.

use crate::cli::Output;
use anyhow::Context as _;
use netpatch_proof::KeyId;
use netpatch_proof::pack::{MAX_PACK_BYTES, Options, verify};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Check an evidence pack offline.
#[derive(clap::Args)]
pub(crate) struct Verify {
    /// The pack, `-` for standard input.
    pack: PathBuf,
    /// The id of the organization's ledger key, as you know it from elsewhere: 64 hexadecimal digits.
    #[arg(long, value_name = "KEY_ID", value_parser = |text: &str| text.parse().map(KeyId))]
    ledger_key: Option<KeyId>,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Verify {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let source: Box<dyn Read> = if self.pack.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(
                File::open(&self.pack).with_context(|| format!("open {}", self.pack.display()))?,
            )
        };
        let mut bytes = Vec::new();
        source
            .take(MAX_PACK_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("read {}", self.pack.display()))?;
        let report = verify(
            &bytes,
            &Options {
                ledger_key: self.ledger_key,
            },
        );
        let mut out = io::stdout().lock();
        match self.output {
            Output::Table => out.write_all(report.to_table().as_bytes())?,
            Output::Json => writeln!(
                out,
                "{}",
                serde_json::json!({"version": 1, "ok": report.ok(), "checks": report.checks})
            )?,
        }
        Ok(if report.ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

//! Checks an evidence pack offline: no network, no platform, only the file.

use clap::{Parser, ValueEnum};
use netpatch_proof::KeyId;
use netpatch_proof::pack::{MAX_PACK_BYTES, Options, verify};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check an evidence pack offline.
///
/// Exit codes: 0 the pack holds, 1 it does not or cannot be read, 2 wrong usage.
#[derive(Parser)]
#[command(name = "netpatch-verify", version)]
struct Arguments {
    /// The pack, `-` for standard input.
    pack: PathBuf,
    /// The id of the organization's ledger key, as you know it from elsewhere: 64 hexadecimal digits.
    #[arg(long, value_name = "KEY_ID", value_parser = |text: &str| text.parse().map(KeyId))]
    ledger_key: Option<KeyId>,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot check {}: {error}", arguments.pack.display());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<bool> {
    let bytes = read(&arguments.pack)?;
    let report = verify(
        &bytes,
        &Options {
            ledger_key: arguments.ledger_key,
        },
    );
    let mut out = io::stdout().lock();
    match arguments.output {
        Output::Table => out.write_all(report.to_table().as_bytes())?,
        Output::Json => {
            let json =
                serde_json::json!({"version": 1, "ok": report.ok(), "checks": report.checks});
            writeln!(out, "{json}")?;
        }
    }
    Ok(report.ok())
}

/// One byte more than a pack may have is enough to refuse it.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = MAX_PACK_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

//! `netpatch asset import FILE`: what an inventory of another system says of machines.

use crate::cli::Output;
use crate::cli::api::{Server, block_on};
use crate::cli::upload::{read, refused};
use anyhow::Context as _;
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The largest file, in MiB; the platform takes no more.
const MAX_FILE_MIB: u64 = 8;

/// Write what is known of machines besides what their agents report.
#[derive(clap::Subcommand)]
pub(crate) enum Asset {
    /// Import a file of comma-separated values: all lines or none.
    ///
    /// The first line names the columns: inventory_number, hostname, machine_id, serial, vendor, model, owner, department, location,
    /// tier, criticality (critical, high, medium, low), tags (separated by |), warranty_end, end_of_life (2027-01-31), site. The words
    /// of common inventories are known too, `--map` names others. An empty cell changes nothing. Importing a file again changes
    /// nothing again.
    ///
    /// Exit codes: 0 written, or checked without an error; 1 nothing was written, standard error says why line by line; 2 wrong usage;
    /// 4 not allowed; 5 no such organization; 7 the platform cannot be reached.
    Import {
        /// The file, in UTF-8; `-` reads standard input.
        file: PathBuf,
        /// Into which organization, by name or id; may be left out by who reaches only one.
        #[arg(long, value_name = "NAME")]
        organization: Option<String>,
        /// Which field a column says, e.g. `Rechner=hostname`; `Notes=` passes a column over. May be repeated.
        #[arg(long, value_name = "HEADER=FIELD")]
        map: Vec<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: Server,
        /// What to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

impl Asset {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Import {
            file,
            organization,
            map,
            dry_run,
            server,
            output,
        } = self;
        let mut parameters = vec![("dryRun", dry_run.to_string())];
        for pair in &map {
            let (header, field) = pair
                .rsplit_once('=')
                .with_context(|| format!("--map takes HEADER=FIELD, not {pair}"))?;
            parameters.push(("map", format!("{header}:{field}")));
        }
        let bytes = read(&file, MAX_FILE_MIB, "; import it in several parts")?;
        let (status, done) = block_on(async {
            let api = server.connect().await?;
            let id = api.own_organization(organization.as_deref()).await?;
            parameters.push(("organizationId", id));
            api.send("/import/assets", &parameters, "text/csv", bytes)
                .await
        })?;
        if status != 200 && status != 422 {
            return Err(refused(status, &done).into());
        }
        let is_fine = status == 200 && done["errorCount"] == 0;
        let mut out = std::io::stdout().lock();
        match output {
            Output::Json => writeln!(out, "{done}")?,
            Output::Table if is_fine => writeln!(out, "{}", sentence(&done))?,
            Output::Table => {}
        }
        for error in done["errors"].as_array().into_iter().flatten() {
            eprintln!("{}", complaint(error));
        }
        let ignored: Vec<&str> = done["ignoredColumns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !ignored.is_empty() {
            eprintln!(
                "columns that say nothing of an asset: {}",
                ignored.join(", ")
            );
        }
        if is_fine {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("{} errors, nothing was written", done["errorCount"]);
        Ok(ExitCode::FAILURE)
    }
}

fn sentence(done: &Value) -> String {
    let begin = if done["isDryRun"] == Value::Bool(true) {
        "would write"
    } else {
        "wrote"
    };
    let ambiguous = match done["ambiguous"].as_u64() {
        None | Some(0) => String::new(),
        Some(count) => format!("; {count} fit several hosts, a person must decide"),
    };
    format!(
        "{begin}: {} new, {} changed, {} unchanged{ambiguous}",
        done["created"], done["changed"], done["unchanged"]
    )
}

fn complaint(error: &Value) -> String {
    let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
    let column = match text("column") {
        column if column.is_empty() => String::new(),
        column => format!(", column {column}"),
    };
    format!(
        "line {}{column}: {}; {}",
        error["line"],
        text("message"),
        text("remedy")
    )
}

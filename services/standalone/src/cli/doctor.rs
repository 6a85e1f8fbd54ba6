//! `netpatch doctor`: what the platform needs on this machine, each with a measured value and a remedy.

use crate::Place;
use crate::cli::Output;
use netpatch_chassis::Configuration;
use netpatch_storage::postgres;
use netpatch_types::doctor::{Check, DoctorReport};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;

/// Check what the platform needs on this machine.
#[derive(clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    place: Place,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Doctor {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let report = match self.place.configuration(&[]) {
            Ok(configuration) => DoctorReport::new(checks(&configuration)),
            Err(error) => DoctorReport::new(vec![Check::fail(
                "configuration",
                format!("{error:#}"),
                "correct the value that is named",
            )]),
        };
        match self.output {
            Output::Table => print!("{}", report.to_text()),
            Output::Json => println!("{}", report.to_json()),
        }
        Ok(ExitCode::from(report.exit_code()))
    }
}

fn checks(configuration: &Configuration) -> Vec<Check> {
    let running = configuration
        .database
        .embedded()
        .then(|| postgres::attach(&configuration.data_dir.join("postgres")));
    let serving = matches!(running, Some(Ok(Some(_))));
    let mut checks = vec![Check::ok("configuration", "readable")];
    checks.push(match running {
        None => Check::ok("database", "external"),
        Some(Ok(Some(connection))) => Check::ok(
            "database",
            format!("embedded, running as process {}", connection.pid()),
        ),
        Some(Ok(None)) => binaries(configuration),
        Some(Err(error)) => Check::fail(
            "database",
            error.to_string(),
            "look at the folder postgres in the data directory",
        ),
    });
    checks.push(data_dir(configuration));
    checks.push(keys(configuration));
    checks.push(disk(configuration));
    if serving {
        checks.push(Check::ok("addresses", "in use by the running platform"));
    } else {
        checks.push(match TcpListener::bind(configuration.http.addr) {
            Ok(_) => Check::ok("http", format!("{} is free", configuration.http.addr)),
            Err(error) => Check::fail(
                "http",
                format!("{}: {error}", configuration.http.addr),
                "set another --http",
            ),
        });
        checks.push(match UdpSocket::bind(configuration.quic.addr) {
            Ok(_) => Check::ok("quic", format!("{} is free", configuration.quic.addr)),
            Err(error) => Check::fail(
                "quic",
                format!("{}: {error}", configuration.quic.addr),
                "set another --quic",
            ),
        });
    }
    checks
}

fn binaries(configuration: &Configuration) -> Check {
    let found = match &configuration.database.bin_dir {
        Some(folder) => folder.join("initdb").exists().then(|| folder.clone()),
        None => std::fs::read_dir("/usr/lib/postgresql")
            .ok()
            .and_then(|versions| {
                let mut folders: Vec<_> = versions
                    .filter_map(|version| Some(version.ok()?.path().join("bin")))
                    .filter(|bin| bin.join("initdb").exists())
                    .collect();
                folders.sort();
                folders.pop()
            }),
    };
    match found {
        Some(folder) => Check::ok(
            "database",
            format!("embedded, not running; programs in {}", folder.display()),
        ),
        None => Check::fail(
            "database",
            "no PostgreSQL programs found",
            "apt-get install postgresql, or set database.bin_dir",
        ),
    }
}

fn data_dir(configuration: &Configuration) -> Check {
    let folder = &configuration.data_dir;
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Check::ok("data directory", folder.display().to_string()),
        Ok(_) => Check::fail(
            "data directory",
            format!("{} is not a folder", folder.display()),
            "set another --data-dir",
        ),
        Err(_) => Check::warn(
            "data directory",
            format!("{} does not exist yet", folder.display()),
            "`netpatch serve` makes it",
        ),
    }
}

fn keys(configuration: &Configuration) -> Check {
    let folder = configuration.data_dir.join("keys");
    match std::fs::metadata(&folder) {
        Err(_) => Check::warn("keys", "no keys yet", "`netpatch serve` makes them"),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Check::fail(
            "keys",
            format!("mode {:o}", found.permissions().mode() & 0o777),
            format!("chmod 700 {}", folder.display()),
        ),
        Ok(_) => Check::ok("keys", "mode 700"),
    }
}

fn disk(configuration: &Configuration) -> Check {
    const ENOUGH: u64 = 2 << 30;
    let place = configuration
        .data_dir
        .ancestors()
        .find(|folder| folder.exists());
    let Some(free) = place
        .and_then(|folder| nix::sys::statvfs::statvfs(folder).ok())
        .map(|found| found.blocks_available() * found.fragment_size())
    else {
        return Check::warn(
            "disk",
            "cannot be measured",
            "look at the data directory's file system",
        );
    };
    let measured = format!("{} MiB free", free >> 20);
    if free >= ENOUGH {
        Check::ok("disk", measured)
    } else {
        Check::warn("disk", measured, "keep at least 2 GiB free")
    }
}

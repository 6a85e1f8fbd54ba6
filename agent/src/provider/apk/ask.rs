//! Questions to apk over the agent's own cache: the host's is neither used nor changed.

use super::database::{self, Package};
use super::repositories::Repositories;
use super::{Apk, diagnose};
use crate::command::{CommandLine, Output};
use crate::provider::files::io_failure;
use netpatch_agent_core::{Failure, FailureCause};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limit of a question that needs no network.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(180);
/// Limit of one that fetches.
const FETCH_LIMIT: Duration = Duration::from_secs(3600);

/// How an index of apk 2 begins: it is packed.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// apk with a proxy that nobody answers at, content with old indices and with missing ones.
const NOWHERE: [&str; 6] = [
    "http_proxy=http://127.0.0.1:1",
    "https_proxy=http://127.0.0.1:1",
    "apk",
    "--cache-max-age",
    "99999999",
    "--force-missing-repositories",
];

/// What the repositories offer, by name and version.
pub(super) type Offered = BTreeMap<(String, String), Package>;

/// One line of what apk would do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) name: String,
    /// `None` for a removal.
    pub(super) version: Option<String>,
}

impl Apk {
    /// The folder of indices and packages, as this process reaches it.
    pub(super) fn cache(&self) -> PathBuf {
        self.work.join("cache")
    }

    pub(super) fn configured(&self) -> Repositories {
        Repositories::read(self.runner.root())
    }

    /// The agent's list of repositories, written anew; indices of others go.
    fn write_repositories(&self) -> Result<PathBuf, Failure> {
        let (cache, place) = (self.cache(), self.work.join("repositories"));
        fs::create_dir_all(&cache).map_err(|error| io_failure("create", &cache, &error))?;
        let text = self.configured().own();
        if fs::read(&place).is_ok_and(|before| before == text.as_bytes()) {
            return Ok(place);
        }
        for path in indices(&cache) {
            fs::remove_file(&path).map_err(|error| io_failure("remove", &path, &error))?;
        }
        crate::state::write_durably(&place, text.as_bytes())
            .map_err(|error| io_failure("write", &place, &error))?;
        Ok(place)
    }

    /// Asks over the indices as they are, however old. With `--no-network` apk would see only packages that are here already, so it
    /// gets a network that leads nowhere instead.
    pub(super) async fn ask<I>(&self, words: I) -> Result<Output, Failure>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let repositories = self.write_repositories()?;
        let mut arguments = NOWHERE.map(str::to_owned).to_vec();
        arguments.extend(self.places(&self.cache(), &repositories));
        arguments.extend(words.into_iter().map(Into::into));
        let command = CommandLine::new("env", arguments);
        self.runner.run(&command, READ_LIMIT).await
    }

    /// Lets apk fetch, through a proxy if one is given.
    pub(super) async fn fetch<I>(&self, proxy: Option<&str>, words: I) -> Result<Output, Failure>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let repositories = self.write_repositories()?;
        let mut arguments: Vec<String> = Vec::new();
        arguments.extend(proxy.map(|proxy| format!("http_proxy={proxy}")));
        arguments.push("apk".to_owned());
        arguments.extend(self.places(&self.cache(), &repositories));
        arguments.extend(self.wait());
        arguments.extend(words.into_iter().map(Into::into));
        let command = CommandLine::new("env", arguments);
        self.runner.run(&command, FETCH_LIMIT).await
    }

    /// apk without the network over a folder of indices and packages.
    pub(super) fn over<I>(&self, cache: &Path, repositories: &Path, words: I) -> CommandLine
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut arguments = vec!["--no-network".to_owned()];
        arguments.extend(self.places(cache, repositories));
        arguments.extend(words.into_iter().map(Into::into));
        CommandLine::new("apk", arguments)
    }

    fn places(&self, cache: &Path, repositories: &Path) -> [String; 4] {
        [
            "--cache-dir".to_owned(),
            self.inside(cache),
            "--repositories-file".to_owned(),
            self.inside(repositories),
        ]
    }

    /// Everything that the fetched indices name. apk verified them when it fetched them.
    pub(super) async fn offered(&self) -> Result<Offered, Failure> {
        let mut offered = Offered::new();
        self.write_repositories()?;
        for path in indices(&self.cache()) {
            let inside = self.inside(&path);
            // apk names both kinds alike.
            let is_of_apk_2 = begins_with(&path, &GZIP);
            let command = match is_of_apk_2 {
                true => CommandLine::new("tar", ["-xzOf", &inside, "APKINDEX"]),
                false => CommandLine::new("apk", ["adbdump", &inside]),
            };
            let output = self.runner.run(&command, READ_LIMIT).await?;
            if !output.ok() {
                let line = format!("the index {} cannot be read", path.display());
                let lines = std::iter::once(line.as_str()).chain(output.stderr.lines());
                return Err(Failure::new(FailureCause::PayloadCorrupt, lines));
            }
            let packages = match is_of_apk_2 {
                true => database::parse(&output.stdout).0,
                false => database::parse_dump(&output.stdout),
            };
            for package in packages {
                let key = (package.name.clone(), package.version.clone());
                offered.entry(key).or_insert(package);
            }
        }
        Ok(offered)
    }

    /// What `apk upgrade` of these names would do, of everything without names; or why it would not.
    pub(super) async fn targets(
        &self,
        names: &[String],
    ) -> Result<Result<Vec<Target>, Failure>, Failure> {
        let words = ["upgrade", "--simulate", "--no-self-upgrade", "--"];
        let words = words.map(str::to_owned).into_iter();
        Ok(simulated(
            &self.ask(words.chain(names.iter().cloned())).await?,
        ))
    }
}

fn begins_with(path: &Path, magic: &[u8; 2]) -> bool {
    let mut first = [0; 2];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut first).is_ok() && first == *magic)
}

/// The indices in a folder.
pub(super) fn indices(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("APKINDEX.") && name.ends_with(".tar.gz")
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// The steps of a simulation. A package whose script failed once makes every later call end with 1, so that the last line tells:
/// `OK: 8 MiB in 15 packages`, or `1 error; 8 MiB in 15 packages`.
pub(super) fn simulated(output: &Output) -> Result<Vec<Target>, Failure> {
    let last = output.stdout.lines().last().unwrap_or_default();
    let is_through = last.ends_with(" packages")
        && (last.starts_with("OK: ") || last.contains(" error; ") || last.contains(" errors; "));
    if !is_through {
        return Err(diagnose::diagnose(&output.text(), output.code));
    }
    Ok(output.stdout.lines().filter_map(target).collect())
}

/// `(1/2) Installing x (1.0-r0)`, `(2/2) Upgrading y@tag (1.0-r0 -> 2.0-r0)`, `(3/3) Purging z (1.0-r0)`.
fn target(line: &str) -> Option<Target> {
    let rest = line.strip_prefix('(')?.split_once(") ")?.1;
    let (verb, rest) = rest.split_once(' ')?;
    let (name, versions) = rest.split_once(" (")?;
    let versions = versions.strip_suffix(')')?;
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let version = match verb {
        "Installing" | "Reinstalling" => versions,
        "Upgrading" | "Downgrading" | "Replacing" => versions.split_once(" -> ")?.1,
        "Purging" => "",
        _ => return None,
    };
    Some(Target {
        name: name.to_owned(),
        version: (!version.is_empty()).then(|| version.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stdout: &str, code: i32) -> Output {
        Output {
            code: Some(code),
            stdout: stdout.into(),
            stderr: "ERROR: unable to select packages:\n  x (no such package):\n".into(),
        }
    }

    #[test]
    fn a_simulation_is_judged_by_its_last_line() {
        let text = "(1/4) Installing np-dependency (1.0-r0)\n(2/4) Upgrading np-new@edge (1.0-r0 -> 2.0-r0)\n(3/4) Purging np-old (1.0-r0)\n(4/4) Replacing np-same (1.0-r0 -> 1.0-r0)\n";
        for (last, code) in [
            ("OK: 8 MiB in 15 packages\n", 0),
            ("2 errors; 8 B in 15 packages\n", 2),
        ] {
            let found = simulated(&said(&format!("{text}{last}"), code)).expect("steps");
            let found: Vec<(&str, Option<&str>)> = found
                .iter()
                .map(|one| (one.name.as_str(), one.version.as_deref()))
                .collect();
            assert_eq!(
                found,
                [
                    ("np-dependency", Some("1.0-r0")),
                    ("np-new", Some("2.0-r0")),
                    ("np-old", None),
                    ("np-same", Some("1.0-r0")),
                ]
            );
        }
        for text in ["", text, "junk \u{0}\n(1/ Upgrading\n"] {
            let failure = simulated(&said(text, 0)).expect_err("no last line");
            assert_eq!(failure.cause, FailureCause::DependencyUnsatisfiable);
        }
    }
}

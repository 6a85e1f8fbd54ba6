//! What could be installed, and the plan of a transaction: pacman's own answer to "install these".

use super::database::{Description, Local, compare};
use super::{Pacman, READ_LIMIT, diagnose};
use crate::command::CommandLine;
use crate::provider::{Installable, Located, PlanError, UpdateState};
use netpatch_agent_core::plan::{Change, Plan, PlanItem, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What the repositories offer: of each name the first one's.
pub(super) type Offered = BTreeMap<String, (String, Description)>;

impl Pacman {
    /// Reads the fetched databases. tar tells by itself how each is packed.
    pub(super) async fn offered(&self) -> Result<Offered, Failure> {
        let sync = self.databases_folder()?.join("sync");
        let mut offered = Offered::new();
        for repository in self.configuration().await?.repositories() {
            let place = sync.join(format!("{repository}.db"));
            if !place.exists() {
                continue;
            }
            let place = self.inside(&place);
            let words = ["-xOf", &place, "--wildcards", "*/desc"];
            let output = self
                .runner
                .run(&CommandLine::new("tar", words), READ_LIMIT)
                .await?;
            if !output.ok() {
                let line = format!("the database of {repository} cannot be unpacked");
                let lines = std::iter::once(line.as_str()).chain(output.stderr.lines());
                return Err(Failure::new(FailureCause::PayloadCorrupt, lines));
            }
            for found in Description::parse_all(&output.stdout) {
                offered
                    .entry(found.get("NAME").to_owned())
                    .or_insert_with(|| (repository.to_owned(), found));
            }
        }
        Ok(offered)
    }

    /// Names that a person told pacman to ignore.
    async fn held(&self) -> Result<BTreeSet<String>, Failure> {
        // It ends with 1 where nothing is newer, too.
        let output = self.ask(None, ["-Qu"], READ_LIMIT).await?;
        if output.stderr.lines().any(|line| line.starts_with("error:")) {
            return Err(diagnose::diagnose(&output.stderr, output.code));
        }
        let held = output
            .stdout
            .lines()
            .filter(|line| line.ends_with("[ignored]"));
        Ok(held
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect())
    }

    /// Names and versions that `pacman -S` of these names would install; or why it would not.
    async fn targets(
        &self,
        names: &[String],
    ) -> Result<Result<Vec<(String, String)>, Failure>, Failure> {
        let mut words = vec![
            "-S".to_owned(),
            "--print".into(),
            "--print-format".into(),
            "%n %v".into(),
            "--".into(),
        ];
        words.extend(names.iter().cloned());
        let output = self.ask(None, words, READ_LIMIT).await?;
        if !output.ok() {
            return Ok(Err(diagnose::diagnose(&output.text(), output.code)));
        }
        Ok(Ok(printed(&output.stdout)))
    }

    pub(super) async fn find_installable(&self) -> Result<Vec<Installable>, Failure> {
        let (local, offered, held) = (self.local()?, self.offered().await?, self.held().await?);
        let mut updates = Vec::new();
        for package in &local.packages {
            let Some((repository, found)) = offered.get(&package.name) else {
                continue;
            };
            let version = found.get("VERSION");
            if compare(version, &package.version) != Ordering::Greater {
                continue;
            }
            let (Ok(sha256), Ok(size_bytes)) =
                (found.get("SHA256SUM").parse(), found.get("CSIZE").parse())
            else {
                continue;
            };
            updates.push(Installable {
                name: package.name.clone(),
                arch: package.arch.clone(),
                installed_version: package.version.clone(),
                candidate_version: version.to_owned(),
                source: base(found).to_owned(),
                source_version: version.to_owned(),
                sha256,
                size_bytes,
                origin: repository.clone(),
                suite: repository.clone(),
                label: repository.clone(),
                errata: Vec::new(),
                security: false,
                state: if held.contains(&package.name) {
                    UpdateState::Held
                } else {
                    UpdateState::Installable
                },
                phased_percent: 0,
                section: String::new(),
                requires: Vec::new(),
            });
        }
        self.try_each_source(&mut updates, &local, &offered).await?;
        Ok(updates)
    }

    /// Asks for each source alone whether it can be installed, and what it brings.
    async fn try_each_source(
        &self,
        updates: &mut [Installable],
        local: &Local,
        offered: &Offered,
    ) -> Result<(), Failure> {
        let is_open = |update: &&Installable| update.state == UpdateState::Installable;
        let sources: BTreeSet<String> = updates
            .iter()
            .filter(is_open)
            .map(|update| update.source.clone())
            .collect();
        for source in sources {
            let of_source = |update: &&Installable| is_open(update) && update.source == source;
            let names: Vec<String> = updates
                .iter()
                .filter(of_source)
                .map(|update| update.name.clone())
                .collect();
            let (state, requires) = match self.targets(&names).await? {
                Err(_) => (UpdateState::KeptBack, Vec::new()),
                Ok(targets) => {
                    let others = targets.iter().filter(|(name, _)| !names.contains(name));
                    let others: Result<Vec<_>, _> =
                        others.map(|(name, _)| item(name, local, offered)).collect();
                    (UpdateState::Installable, others?)
                }
            };
            for update in updates
                .iter_mut()
                .filter(|update| names.contains(&update.name))
            {
                update.state = state;
                update.requires.clone_from(&requires);
            }
        }
        Ok(())
    }

    /// Where what is newer lies, and what all of it together brings along.
    pub(super) async fn find_sources(&self) -> Result<Vec<Located>, Failure> {
        let (local, offered) = (self.local()?, self.offered().await?);
        let configuration = self.configuration().await?;
        let mut names: BTreeSet<String> = BTreeSet::new();
        for package in &local.packages {
            let offer = offered.get(&package.name);
            let is_newer = |version: &str| compare(version, &package.version) == Ordering::Greater;
            if offer.is_some_and(|(_, found)| is_newer(found.get("VERSION"))) {
                names.insert(package.name.clone());
            }
        }
        if names.is_empty() {
            return Ok(Vec::new());
        }
        names.extend(self.brought(&names).await?);
        let located = names.iter().filter_map(|name| {
            let (repository, found) = offered.get(name)?;
            let item = item(name, &local, &offered).ok()?;
            let server = configuration.server_of(repository)?.trim_end_matches('/');
            Some(Located {
                sha256: found.get("SHA256SUM").parse().ok()?,
                url: format!("{server}/{}", item.file_name),
            })
        });
        Ok(located.collect())
    }

    /// What these bring along; where they do not go together, each as far as it goes alone.
    async fn brought(&self, names: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
        let names: Vec<String> = names.iter().cloned().collect();
        let mut brought = Vec::new();
        match self.targets(&names).await? {
            Ok(targets) => brought.extend(targets),
            Err(_) => {
                for name in names {
                    brought.extend(self.targets(&[name]).await?.unwrap_or_default());
                }
            }
        }
        Ok(brought.into_iter().map(|(name, _)| name).collect())
    }

    pub(super) async fn make_plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        if wanted.is_empty() {
            return Ok(Plan::default());
        }
        let (local, offered, held) = (self.local()?, self.offered().await?, self.held().await?);
        for item in wanted {
            let found = offered
                .get(&item.name)
                .map(|(_, found)| found.get("VERSION"));
            if found != Some(item.version.as_str()) {
                let offers = found.unwrap_or("nothing");
                let detail = format!(
                    "{} {} is not offered, but {offers}",
                    item.name, item.version
                );
                return Err(Refused::new(Refusal::Superseded, detail).into());
            }
            if held.contains(&item.name) {
                let detail = format!("{} is in IgnorePkg on this host", item.name);
                return Err(Refused::new(Refusal::Hold, detail).into());
            }
        }
        let names: Vec<String> = wanted.iter().map(|item| item.name.clone()).collect();
        let targets = self.targets(&names).await??;
        let configuration = self.configuration().await?;
        let mut items = Vec::new();
        for (name, _) in &targets {
            if let Some((repository, _)) = offered
                .get(name)
                .filter(|(repository, _)| !configuration.checks(repository))
            {
                let line = format!(
                    "repository {repository} checks no signature, so nothing vouches for {name}"
                );
                return Err(Failure::new(FailureCause::SignatureInvalid, [line]).into());
            }
            items.push(item(name, &local, &offered)?);
        }
        Ok(Plan::new(items))
    }
}

/// Lines of `name version`; what else pacman says has other words.
pub(super) fn printed(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let (name, version) = line.split_once(' ')?;
            let fits = !version.contains(' ') && version.contains('-');
            fits.then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

fn base(found: &Description) -> &str {
    Some(found.get("BASE"))
        .filter(|base| !base.is_empty())
        .unwrap_or_else(|| found.get("NAME"))
}

/// A plan's item from what the repositories say.
fn item(name: &str, local: &Local, offered: &Offered) -> Result<PlanItem, Failure> {
    let odd = || {
        let line = format!("no database names hash and size of {name}");
        Failure::new(FailureCause::SignatureInvalid, [line])
    };
    let (_, found) = offered.get(name).ok_or_else(odd)?;
    let before = local.get(name).map(|package| package.version.clone());
    let file_name = found.get("FILENAME");
    // The name becomes a path.
    if file_name.is_empty() || file_name.contains('/') || file_name.starts_with('.') {
        return Err(odd());
    }
    Ok(PlanItem {
        name: name.to_owned(),
        arch: found.get("ARCH").to_owned(),
        change: if before.is_some() {
            Change::Upgrade
        } else {
            Change::Install
        },
        before,
        version: Some(found.get("VERSION").to_owned()),
        sha256: Some(found.get("SHA256SUM").parse().map_err(|_| odd())?),
        size_bytes: found.get("CSIZE").parse().map_err(|_| odd())?,
        file_name: file_name.to_owned(),
    })
}

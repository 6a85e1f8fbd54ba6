//! Windows: the product and its build, updates by KB number, programs of the uninstall registry and of winget.
//!
//! Reading what Windows prints is tested on recorded output. Asking Windows is [`ask`]'s, and **is not run here**: this file and
//! everything beside `ask` compile and are tested on Linux.

mod ask;
mod export;
mod registry;
mod systeminfo;
mod updates;

use super::{Inventory, Provider, one_version, problems};
use crate::command::Runner;
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::BTreeSet;

/// Most programs of a host.
const MAX_PROGRAMS: usize = 20_000;

/// What Windows printed when it was asked; a part that could not be had is an error.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// `reg query …\Windows NT\CurrentVersion`
    pub(crate) version: Result<String, String>,
    /// `systeminfo`
    pub(crate) systeminfo: Result<String, String>,
    /// `reg query …\Uninstall /s`, both views.
    pub(crate) uninstall: Result<String, String>,
    /// `winget export --include-versions`, JSON.
    pub(crate) winget: Result<String, String>,
    /// The Windows Update Agent's search for what is installed, JSON.
    pub(crate) updates: Result<String, String>,
}

/// A Windows.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    runner: Runner,
}

impl Windows {
    pub(crate) fn new(runner: Runner) -> Self {
        Self { runner }
    }
}

/// What is installed, from what Windows printed.
pub(crate) fn inventory(said: &Said) -> Inventory {
    let mut reasons = Vec::new();
    let mut part = |text: &Result<String, String>| match text {
        Ok(text) => text.clone(),
        Err(reason) => {
            reasons.push(reason.clone());
            String::new()
        }
    };
    let (version, info) = (part(&said.version), part(&said.systeminfo));
    let (uninstall, winget) = (part(&said.uninstall), part(&said.winget));
    let searched = part(&said.updates);
    let mut found = BTreeSet::new();
    let info = systeminfo::read(&info);
    let updates = updates::read(&searched).unwrap_or_else(|reason| {
        reasons.push(reason);
        updates::Installed::default()
    });
    let values = registry::read(&version);
    if let Some(product) = registry::product(&values, &info) {
        // Until the restart the old code runs: what waits for it is not counted as installed, whoever lists it.
        let listed = info.updates.iter().chain(&updates.articles);
        for update in listed.filter(|name| !updates.pending.contains(*name)) {
            found.extend(of_windows(update, &product.build, &product.arch));
        }
        found.extend(of_windows(&product.name, &product.build, &product.arch));
    } else {
        reasons.push("Windows does not say which one it is".to_owned());
    }
    for (name, version) in registry::programs(&registry::read(&uninstall)) {
        found.extend(one_version(Ecosystem::Generic, &name, &version));
    }
    match export::read(&winget) {
        Ok(packages) => found.extend(packages.into_iter().filter_map(|(name, version)| {
            one_version(Ecosystem::Generic, &format!("winget/{name}"), &version)
        })),
        Err(reason) if said.winget.is_ok() => reasons.push(reason),
        Err(_) => {}
    }
    if found.len() > MAX_PROGRAMS {
        reasons.push(format!("more than {MAX_PROGRAMS} programs"));
    }
    Inventory {
        components: found.into_iter().take(MAX_PROGRAMS).collect(),
        cut_short: problems(&reasons),
    }
}

/// A part of Windows, at the build of the whole: a newer cumulative update closes what older ones would have.
fn of_windows(name: &str, build: &str, arch: &str) -> Option<ComponentKey> {
    let key = ComponentKey {
        distribution: "microsoft".to_owned(),
        arch: arch.to_owned(),
        ..ComponentKey::of_registry(Ecosystem::Windows, name, build)
    };
    key.check().is_ok().then_some(key)
}

#[async_trait]
impl Provider for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    async fn detect(&self) -> bool {
        cfg!(windows)
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        Ok(inventory(&ask::windows(&self.runner).await))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTERPRISE: &str =
        include_str!("../../tests/data/windows/11_24H2_x64_enterprise_systeminfo.txt");
    const SERVER: &str =
        include_str!("../../tests/data/windows/srv_2016_1607_datacenter_en-us_systeminfo.txt");
    const PRO: &str = include_str!("../../tests/data/windows/10_21H2_x64_pro_systeminfo.txt");

    /// In the form of `reg query`; the values are those of such machines.
    fn version(build: &str, ubr: &str, display: &str, product: &str, kind: &str) -> String {
        format!(
            "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\r\n    CurrentBuild    REG_SZ    {build}\r\n    UBR    REG_DWORD    {ubr}\r\n    DisplayVersion    REG_SZ    {display}\r\n    ProductName    REG_SZ    {product}\r\n    InstallationType    REG_SZ    {kind}\r\n\r\n"
        )
    }

    fn said(version: String, systeminfo: &str) -> Said {
        Said {
            version: Ok(version),
            systeminfo: Ok(systeminfo.to_owned()),
            uninstall: Ok(String::new()),
            winget: Ok("{\"Sources\":[]}".to_owned()),
            updates: Ok(String::new()),
        }
    }

    fn rows(inventory: &Inventory) -> Vec<(&str, &str)> {
        inventory
            .components
            .iter()
            .map(|key| (key.name.as_str(), key.version.as_str()))
            .collect()
    }

    #[test]
    fn recorded_machines_have_their_product_build_and_updates() {
        let eleven = inventory(&said(
            version(
                "26100",
                "0x298",
                "24H2",
                "Windows 10 Enterprise LTSC 2024",
                "Client",
            ),
            ENTERPRISE,
        ));
        assert_eq!(eleven.cut_short, None);
        assert_eq!(
            rows(&eleven),
            [
                ("KB5037589", "10.0.26100.664"),
                ("KB5037783", "10.0.26100.664"),
                ("KB5039449", "10.0.26100.664"),
                (
                    "Windows 11 Version 24H2 for x64-based Systems",
                    "10.0.26100.664"
                ),
            ]
        );
        assert!(
            eleven
                .components
                .iter()
                .all(|key| key.check().is_ok() && key.arch == "x64")
        );
        let server = inventory(&said(
            version(
                "14393",
                "0xa9c",
                "",
                "Windows Server 2016 Datacenter",
                "Server Core",
            ),
            SERVER,
        ));
        assert_eq!(server.components.len(), 6, "{server:#?}");
        assert_eq!(
            rows(&server).last(),
            Some(&(
                "Windows Server 2016 (Server Core installation)",
                "10.0.14393.2716"
            ))
        );
        let ten = inventory(&said(
            version("19044", "0x61c", "21H2", "Windows 10 Pro", "Client"),
            PRO,
        ));
        assert_eq!(ten.components.len(), 8, "{ten:#?}");
        assert_eq!(
            rows(&ten).last(),
            Some(&(
                "Windows 10 Version 21H2 for x64-based Systems",
                "10.0.19044.1564"
            ))
        );
    }

    #[test]
    fn the_update_agent_adds_what_it_knows_and_takes_what_waits_for_a_restart() {
        let mut eleven = said(
            version(
                "26100",
                "0x298",
                "24H2",
                "Windows 10 Enterprise LTSC 2024",
                "Client",
            ),
            ENTERPRISE,
        );
        eleven.updates = Ok(concat!(
            r#"[{"KBArticleIDs":["2267602"],"RebootRequired":false},"#,
            r#"{"KBArticleIDs":["5039449"],"RebootRequired":true}]"#
        )
        .to_owned());
        let inventory = inventory(&eleven);
        let names: Vec<&str> = rows(&inventory).iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"KB2267602"), "{names:?}");
        assert!(!names.contains(&"KB5039449"), "{names:?}");
        assert!(names.contains(&"KB5037589"), "{names:?}");
    }

    #[test]
    fn what_cannot_be_had_is_said_and_odd_output_breaks_nothing() {
        let nothing = inventory(&Said {
            version: Err("reg: not found".into()),
            systeminfo: Err("systeminfo: not found".into()),
            uninstall: Ok("\u{0}\u{fffd}\r\nHKEY_\r\n    \r\n    a    b\r\n".into()),
            winget: Ok("not json".into()),
            updates: Ok("{}".into()),
        });
        assert!(nothing.components.is_empty());
        assert!(
            nothing.cut_short.is_some_and(|why| why.contains("4 more")),
            "all are counted"
        );
        let strange = inventory(&said(
            version("zz", "0xzz", "\u{7}", "Windows", "?"),
            "[01]: KB\r\n[02]: KBxyz\r\n",
        ));
        assert!(strange.components.is_empty() && strange.cut_short.is_some());
    }
}

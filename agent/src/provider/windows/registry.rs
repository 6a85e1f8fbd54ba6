//! `reg.exe query`: a line with a key, then a line a value, `    NAME    REG_TYPE    DATA`.

use super::systeminfo::Info;
use std::collections::BTreeMap;

/// Most keys.
const MAX_KEYS: usize = 50_000;

/// The values of a key by name, lower case.
pub(super) type Values = BTreeMap<String, String>;

/// What Windows is, as Microsoft's advisories name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) name: String,
    /// `10.0.26100.664`: with the update's own part.
    pub(super) build: String,
    pub(super) arch: String,
}

/// Keys in their order.
pub(super) fn read(text: &str) -> Vec<Values> {
    let mut keys: Vec<Values> = Vec::new();
    for line in text.lines() {
        if line.starts_with("HKEY_") {
            if keys.len() >= MAX_KEYS {
                break;
            }
            keys.push(Values::new());
            continue;
        }
        let Some(key) = keys.last_mut() else { continue };
        let mut columns = line.trim().splitn(3, "    ");
        let (Some(name), Some(kind)) = (columns.next(), columns.next()) else {
            continue;
        };
        let data = columns.next().unwrap_or_default().trim();
        let data = match kind.trim() {
            "REG_DWORD" | "REG_QWORD" => data
                .strip_prefix("0x")
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .map(|number| number.to_string()),
            "REG_SZ" | "REG_EXPAND_SZ" => Some(data.to_owned()),
            _ => None,
        };
        if let Some(data) = data {
            key.insert(name.to_lowercase(), data);
        }
    }
    keys
}

/// The product. Windows 11 calls itself 10 here: its builds tell.
pub(super) fn product(keys: &[Values], info: &Info) -> Option<Product> {
    let key = keys.iter().find(|key| key.contains_key("currentbuild"))?;
    let value = |name: &str| key.get(name).map_or("", String::as_str);
    let build: u32 = value("currentbuild").parse().ok()?;
    let revision: u32 = value("ubr").parse().ok()?;
    let name = match value("productname").split_once("Windows Server ") {
        Some((_, rest)) => server(rest, value("installationtype") == "Server Core")?,
        None => client(build, key, info.arch)?,
    };
    let arch = if info.arch.is_empty() {
        "x64"
    } else {
        info.arch
    };
    Some(Product {
        name,
        build: format!("10.0.{build}.{revision}"),
        arch: arch.to_owned(),
    })
}

fn server(rest: &str, is_core: bool) -> Option<String> {
    let mut words = rest.split_whitespace();
    let year = words.next()?;
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let second = if words.next() == Some("R2") {
        " R2"
    } else {
        ""
    };
    let core = if is_core {
        " (Server Core installation)"
    } else {
        ""
    };
    Some(format!("Windows Server {year}{second}{core}"))
}

fn client(build: u32, key: &Values, arch: &str) -> Option<String> {
    let systems = match arch {
        "x64" => "x64-based",
        "arm64" => "ARM64-based",
        "x86" => "32-bit",
        _ => return None,
    };
    let major = if build >= 22_000 { 11 } else { 10 };
    // Before 20H2 there was only a number, `1809`; the very first had neither.
    let version = ["displayversion", "releaseid"]
        .iter()
        .filter_map(|name| key.get(*name))
        .find(|version| !version.is_empty());
    Some(match version {
        Some(version) => format!("Windows {major} Version {version} for {systems} Systems"),
        None => format!("Windows {major} for {systems} Systems"),
    })
}

/// Installed programs with their version, as "Apps & features" lists them: no parts of Windows, no updates of programs.
pub(super) fn programs(keys: &[Values]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for key in keys {
        let value = |name: &str| key.get(name).map_or("", String::as_str);
        let is_hidden = value("systemcomponent") == "1" || !value("parentkeyname").is_empty();
        let is_update = matches!(
            value("releasetype"),
            "Update" | "Hotfix" | "Security Update" | "Service Pack" | "Update Rollup"
        );
        let (name, version) = (value("displayname"), value("displayversion"));
        if !is_hidden && !is_update && !name.is_empty() && !version.is_empty() {
            all.push((name.to_owned(), version.to_owned()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of `reg query /s`.
    const UNINSTALL: &str = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\7-Zip\r\n    DisplayName    REG_SZ    7-Zip 24.07 (x64)\r\n    DisplayVersion    REG_SZ    24.07\r\n    NoModify    REG_DWORD    0x1\r\n\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{1}\r\n    DisplayName    REG_SZ    Part of something\r\n    DisplayVersion    REG_SZ    1.0\r\n    SystemComponent    REG_DWORD    0x1\r\n\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{2}\r\n    DisplayName    REG_SZ    Security Update for something (KB1)\r\n    DisplayVersion    REG_SZ    1.0\r\n    ReleaseType    REG_SZ    Security Update\r\n\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{3}\r\n    DisplayName    REG_SZ    Without a version\r\n    UninstallString    REG_EXPAND_SZ    \"%ProgramFiles%\\x    y.exe\" /u\r\n";

    #[test]
    fn only_programs_with_a_version_are_listed() {
        let keys = read(UNINSTALL);
        assert_eq!(keys.len(), 4);
        assert_eq!(
            programs(&keys),
            [("7-Zip 24.07 (x64)".to_owned(), "24.07".to_owned())]
        );
        assert_eq!(
            keys[3]["uninstallstring"],
            "\"%ProgramFiles%\\x    y.exe\" /u"
        );
    }

    #[test]
    fn values_before_any_key_and_odd_types_are_left_out() {
        let keys = read(
            "    a    REG_SZ    b\r\nHKEY_X\r\n    c    REG_BINARY    00\r\n    d    REG_DWORD    0xzz\r\n    e\r\n    f    REG_SZ\r\n",
        );
        assert_eq!(keys, [Values::from([("f".to_owned(), String::new())])]);
    }
}

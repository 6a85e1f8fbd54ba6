//! What the Windows Update Agent says is installed: its search result, as [`super::ask`] lets PowerShell print it in JSON.
//!
//! `systeminfo` lists only what the servicing stack keeps as hotfixes; the agent also knows drivers, definitions and updates of
//! Microsoft's other products. Updates that it would install are not offered: it names no SHA-256 of their payloads, and an order
//! names nothing else.

use serde::Deserialize;
use std::collections::BTreeSet;

/// Most updates.
const MAX_UPDATES: usize = 10_000;

/// `IUpdate`, the properties that are asked for (Windows Update Agent API).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    /// Digits, without `KB`; a driver has none.
    #[serde(rename = "KBArticleIDs", default)]
    articles: Vec<String>,
    #[serde(default)]
    reboot_required: bool,
}

/// What is installed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    /// `KB5037589`, each once.
    pub(super) articles: BTreeSet<String>,
    /// Those of them that take effect with the next start only.
    pub(super) pending: BTreeSet<String>,
}

/// Reads the search's result.
pub(super) fn read(json: &str) -> Result<Installed, String> {
    let text = json.trim_start_matches('\u{feff}').trim();
    // PowerShell prints nothing for an empty list.
    if text.is_empty() {
        return Ok(Installed::default());
    }
    let updates: Vec<Update> = serde_json::from_str(text)
        .map_err(|error| format!("the update agent's answer cannot be read: {error}"))?;
    if updates.len() > MAX_UPDATES {
        return Err(format!("more than {MAX_UPDATES} updates"));
    }
    let mut installed = Installed::default();
    for update in updates {
        for article in &update.articles {
            let digits = article.trim_start_matches("KB");
            if digits.is_empty() || digits.len() > 10 || !digits.bytes().all(|b| b.is_ascii_digit())
            {
                continue;
            }
            let name = format!("KB{digits}");
            if update.reboot_required {
                installed.pending.insert(name);
            } else {
                installed.articles.insert(name);
            }
        }
    }
    Ok(installed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form that the script prints; written by hand after the API's reference, not recorded.
    const ANSWER: &str = r#"[
        {"Title":"2024-05 Cumulative Update for Windows 11 Version 24H2 for x64-based Systems (KB5037850) (26100.712)","KBArticleIDs":["5037850"],"RebootRequired":true,"MsrcSeverity":"Critical"},
        {"Title":"Security Intelligence Update for Microsoft Defender Antivirus - KB2267602 (Version 1.411.0.0)","KBArticleIDs":["2267602"],"RebootRequired":false,"MsrcSeverity":null},
        {"Title":"Intel - net - 12.19.2.45","KBArticleIDs":[],"RebootRequired":false,"MsrcSeverity":null}
    ]"#;

    #[test]
    fn what_waits_for_a_restart_is_apart() {
        let read = read(ANSWER).expect("an answer");
        assert_eq!(read.articles, BTreeSet::from(["KB2267602".to_owned()]));
        assert_eq!(read.pending, BTreeSet::from(["KB5037850".to_owned()]));
    }

    #[test]
    fn nothing_is_nothing_and_odd_answers_are_refused() {
        assert_eq!(read("\u{feff}\r\n"), Ok(Installed::default()));
        let strange = r#"[{"KBArticleIDs":["x","","KB1; rm","12345678901"]}]"#;
        assert_eq!(read(strange), Ok(Installed::default()));
        for odd in ["{", "{}", "[1]", r#"[{"KBArticleIDs":7}]"#] {
            read(odd).expect_err(odd);
        }
        let many = format!("[{}]", vec!["{}"; MAX_UPDATES + 1].join(","));
        read(&many).expect_err("too many");
    }
}

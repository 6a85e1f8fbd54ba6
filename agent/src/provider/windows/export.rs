//! `winget export --include-versions`: JSON after the schema `winget-packages` 2.0.

use serde::Deserialize;

/// Most packages.
const MAX_PACKAGES: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Export {
    sources: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Source {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Package {
    package_identifier: String,
    #[serde(default)]
    version: String,
}

/// Identifier and version of each package that has both.
pub(super) fn read(json: &str) -> Result<Vec<(String, String)>, String> {
    let export: Export = serde_json::from_str(json.trim_start_matches('\u{feff}'))
        .map_err(|error| format!("winget's export cannot be read: {error}"))?;
    let packages = export
        .sources
        .into_iter()
        .flat_map(|source| source.packages);
    Ok(packages
        .filter(|package| !package.version.is_empty())
        .take(MAX_PACKAGES)
        .map(|package| (package.package_identifier, package.version))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_all_sources_are_read_and_wrong_types_are_not() {
        let json = "\u{feff}{\"$schema\":\"https://aka.ms/winget-packages.schema.2.0.json\",\"Sources\":[{\"Packages\":[{\"PackageIdentifier\":\"Mozilla.Firefox\",\"Version\":\"128.0\"},{\"PackageIdentifier\":\"No.Version\"}],\"SourceDetails\":{\"Name\":\"winget\"}},{}]}";
        assert_eq!(
            read(json),
            Ok(vec![("Mozilla.Firefox".to_owned(), "128.0".to_owned())])
        );
        for odd in [
            "",
            "[]",
            "{}",
            "{\"Sources\":{}}",
            "{\"Sources\":[{\"Packages\":[{\"PackageIdentifier\":1}]}]}",
        ] {
            read(odd).expect_err(odd);
        }
    }
}

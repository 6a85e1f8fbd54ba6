//! What a verification found, for people and for programs.

use serde::Serialize;

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What, stable: `seal`, `checkpoint`, `entries.inclusion`, …
    pub id: String,
    /// Whether it holds.
    pub ok: bool,
    /// In words.
    pub detail: String,
}

/// Everything that was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of checking.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether every check holds; a report without checks says nothing good.
    #[must_use]
    pub fn ok(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.ok)
    }

    pub(super) fn add(&mut self, id: &str, result: Result<String, String>) {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        self.checks.push(Check {
            id: id.to_owned(),
            ok,
            detail,
        });
    }

    /// One line for all items that hold, and one for each of the first ten that do not.
    pub(super) fn add_all(
        &mut self,
        id: &str,
        what: &str,
        results: impl IntoIterator<Item = Result<(), String>>,
    ) {
        let (mut count, mut failed) = (0usize, 0usize);
        for result in results {
            count += 1;
            if let Err(detail) = result {
                failed += 1;
                if failed <= 10 {
                    self.add(id, Err(detail));
                }
            }
        }
        if failed == 0 {
            self.add(id, Ok(format!("{count} {what}")));
        } else if failed > 10 {
            self.add(id, Err(format!("{failed} of {count} {what} fail")));
        }
    }

    /// A table for a terminal, the verdict last.
    #[must_use]
    pub fn to_table(&self) -> String {
        let width = self
            .checks
            .iter()
            .map(|check| check.id.len())
            .max()
            .unwrap_or(0);
        let mut out = String::new();
        for check in &self.checks {
            let mark = if check.ok { "ok  " } else { "FAIL" };
            // Details may quote the pack: no control character of it reaches the terminal.
            let detail: String = check
                .detail
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            out.push_str(&format!("{mark}  {:width$}  {detail}\n", check.id));
        }
        out.push_str(if self.ok() {
            "the pack holds\n"
        } else {
            "the pack does NOT hold\n"
        });
        out
    }
}

//! Results: a row for each figure, with its goal if there is one.

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_met: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    command: &'static str,
    seed: u64,
    cores: usize,
    scenario: BTreeMap<&'static str, String>,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(command: &'static str, seed: u64) -> Self {
        Self {
            command,
            seed,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            scenario: BTreeMap::new(),
            rows: Vec::new(),
        }
    }

    /// What was set up.
    pub(crate) fn scene(&mut self, what: &'static str, value: impl ToString) {
        self.scenario.insert(what, value.to_string());
    }

    /// A figure without a goal.
    pub(crate) fn row(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        note: impl Into<String>,
    ) {
        self.push(what.into(), value, unit, None, note.into());
    }

    /// A figure with a goal.
    pub(crate) fn goal(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
        note: impl Into<String>,
    ) {
        self.push(what.into(), value, unit, Some(goal), note.into());
    }

    fn push(
        &mut self,
        what: String,
        value: f64,
        unit: &'static str,
        goal: Option<Goal>,
        note: String,
    ) {
        let text = goal.map(|goal| match goal {
            Goal::AtMost(limit) => format!("≤ {}", shown(limit)),
            Goal::AtLeast(limit) => format!("≥ {}", shown(limit)),
        });
        let is_met = goal.map(|goal| match goal {
            Goal::AtMost(limit) => value <= limit,
            Goal::AtLeast(limit) => value >= limit,
        });
        eprintln!("{what}: {} {unit} {note}", shown(value));
        self.rows.push(Row {
            what,
            value,
            unit,
            goal: text,
            is_met,
            note,
        });
    }

    /// The table, to standard output.
    pub(crate) fn print(&self) {
        println!(
            "netpatch-loadtest {} --seed {}, {} cores",
            self.command, self.seed, self.cores
        );
        for (what, value) in &self.scenario {
            println!("  {what}: {value}");
        }
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["figure", "value", "unit", "goal", "met", "note"]);
        for row in &self.rows {
            let met = row
                .is_met
                .map_or("", |is_met| if is_met { "yes" } else { "NO" });
            table.add_row([
                row.what.clone(),
                shown(row.value),
                row.unit.to_owned(),
                row.goal.clone().unwrap_or_default(),
                met.to_owned(),
                row.note.clone(),
            ]);
        }
        println!("{table}");
    }

    /// The same as JSON.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("results as JSON")?;
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
    }
}

/// Three significant digits for small numbers, none behind the point for large ones.
fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The middle one of some times.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A count as a figure; exact up to 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "figures are shown with three digits"
)]
pub(crate) fn figure(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

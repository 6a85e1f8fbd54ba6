//! The cause of a failure behind what a package manager said: each names the words of its own program.

use netpatch_agent_core::{Failure, FailureCause};

/// Most lines of evidence.
pub(super) const MAX_SHOWN: usize = 20;
/// Lines before a telling one: a script's own message stands there.
const BEFORE: usize = 3;
/// Last lines that are shown when nothing is known of them.
const TAIL: usize = 15;

/// A cause, and words that tell of it.
pub(super) type Rule = (FailureCause, &'static [&'static str]);

/// The lines of an output that say something.
pub(super) fn lines(output: &str) -> Vec<&str> {
    output
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .collect()
}

/// The first rule that a line tells of, and the first such line.
pub(super) fn find(lines: &[&str], rules: &[Rule]) -> Option<(Rule, usize)> {
    rules.iter().find_map(|rule| {
        let at = lines.iter().position(|line| tells(rule, line))?;
        Some((*rule, at))
    })
}

/// The cause by the first rule that a line tells of, with all such lines; without one the end of the output.
pub(super) fn diagnose(lines: &[&str], rules: &[Rule], exit_code: Option<i32>) -> Failure {
    let Some((rule, at)) = find(lines, rules) else {
        let tail = lines.iter().rev().take(TAIL).rev().copied();
        return Failure::new(FailureCause::Unknown(exit_code), tail);
    };
    let telling = lines[at..].iter().filter(|line| tells(&rule, line));
    let shown = before(lines, at).iter().chain(telling);
    Failure::new(rule.0, shown.take(MAX_SHOWN).copied())
}

/// What stands before a telling line.
pub(super) fn before<'a, 'b>(lines: &'b [&'a str], at: usize) -> &'b [&'a str] {
    &lines[at.saturating_sub(BEFORE)..at]
}

fn tells((_, words): &Rule, line: &str) -> bool {
    words.iter().any(|word| line.contains(word))
}

//! A list of named steps: each prints one line with its duration, a failure says how to repeat it.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Runs steps in order and remembers which failed.
pub(crate) struct Steps {
    began: Instant,
    done: usize,
    failed: Vec<Failure>,
}

struct Failure {
    name: String,
    repeat: String,
}

impl Steps {
    /// No step has run yet.
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            done: 0,
            failed: Vec::new(),
        }
    }

    /// Runs one step. `repeat` is the command that runs this step alone. Later steps run even when this
    /// one fails, because their answers are worth having too. Returns whether it succeeded; an
    /// interruption is an error.
    pub(crate) fn run(
        &mut self,
        name: &str,
        repeat: &str,
        step: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        eprintln!("==> {name}");
        let began = Instant::now();
        let result = step();
        let took = seconds(began.elapsed());
        match result {
            Ok(()) => {
                eprintln!("==> {name}: ok ({took})");
                self.done += 1;
                Ok(true)
            }
            Err(error) if error.is::<crate::shell::Interrupted>() => Err(error),
            Err(error) => {
                eprintln!("==> {name}: FAILED ({took}): {error:#}");
                eprintln!("    repeat it with: {repeat}");
                self.failed.push(Failure {
                    name: name.to_owned(),
                    repeat: repeat.to_owned(),
                });
                Ok(false)
            }
        }
    }

    /// Prints the closing lines; fails if any step did.
    pub(crate) fn finish(self) -> Result<()> {
        for failure in &self.failed {
            eprintln!("failed: {} (repeat: {})", failure.name, failure.repeat);
        }
        eprintln!(
            "{} steps passed, {} failed in {}",
            self.done,
            self.failed.len(),
            seconds(self.began.elapsed())
        );
        if !self.failed.is_empty() {
            let names: Vec<_> = self
                .failed
                .iter()
                .map(|failure| failure.name.as_str())
                .collect();
            bail!("failed: {}", names.join(", "));
        }
        Ok(())
    }
}

/// A duration for people: `4.2 s`, `3 min 05 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_failed_step_does_not_stop_the_next_but_fails_the_whole() {
        let mut steps = Steps::new();
        assert!(
            !steps
                .run("first", "again", || Err(anyhow!("broken")))
                .expect("not interrupted")
        );
        assert!(
            steps
                .run("second", "again", || Ok(()))
                .expect("not interrupted")
        );
        let error = steps.finish().expect_err("one step failed");
        assert_eq!(error.to_string(), "failed: first");
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!(seconds(Duration::from_millis(4200)), "4.2 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
    }
}

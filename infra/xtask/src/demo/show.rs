//! What a person sees: one sentence a step; a moving line on a terminal, plain lines elsewhere.

use crate::shell;
use crate::steps::seconds;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::thread;
use std::time::{Duration, Instant};

/// The display, and what the summary repeats from it.
pub(crate) struct Show {
    began: Instant,
    number: usize,
    is_terminal: bool,
}

/// The display of one running step.
pub(crate) struct Line {
    bar: Option<ProgressBar>,
    began: Instant,
    last: String,
}

impl Show {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            number: 0,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Since the first step began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Runs a step. `doing` is shown while it runs; the step returns what it did, as one sentence.
    pub(crate) fn step<T>(
        &mut self,
        doing: &str,
        step: impl FnOnce(&mut Line) -> Result<(T, String)>,
    ) -> Result<T> {
        shell::check_interrupted()?;
        self.number += 1;
        let began = Instant::now();
        let mut line = Line::new(self.is_terminal, &format!("{:>2}. {doing} …", self.number));
        let result = step(&mut line);
        line.clear();
        let took = seconds(began.elapsed());
        match result {
            Ok((value, sentence)) => {
                eprintln!("{:>2}. ✓ {sentence} ({took})", self.number);
                Ok(value)
            }
            Err(error) => {
                eprintln!("{:>2}. ✗ {doing} ({took})", self.number);
                Err(error).with_context(|| format!("step {} ({doing})", self.number))
            }
        }
    }
}

impl Line {
    fn new(is_terminal: bool, text: &str) -> Self {
        let began = Instant::now();
        if !is_terminal {
            eprintln!("{text}");
            return Self {
                bar: None,
                began,
                last: String::new(),
            };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar: Some(bar),
            began,
            last: String::new(),
        }
    }

    /// Says how far the step is; the same text twice is said once.
    pub(crate) fn say(&mut self, text: &str) {
        if text == self.last {
            return;
        }
        self.last = text.to_owned();
        match &self.bar {
            Some(bar) => bar.println(format!("      {text}")),
            None => eprintln!("      {text} ({})", seconds(self.began.elapsed())),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Asks again until there is an answer; fails after `limit`, naming what did not come.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        shell::check_interrupted()?;
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if began.elapsed() > limit {
            bail!("waited {} for {what}", seconds(limit));
        }
        thread::sleep(Duration::from_millis(250));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_gives_up_and_names_what_it_waited_for() {
        let error = until::<()>("the moon", Duration::ZERO, || Ok(None)).expect_err("never there");
        assert!(error.to_string().ends_with("for the moon"), "{error}");
    }
}

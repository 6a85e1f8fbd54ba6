//! Start, work, end: in order, and with an error when a task fails.

use crate::lamp::HandClock;
use async_trait::async_trait;
use netpatch_chassis::{App, BoxError, Process, RunError, Server, Sources};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Notes what happens.
struct Diary {
    lines: Arc<Mutex<Vec<&'static str>>>,
    mood: Mood,
    started: Option<oneshot::Sender<std::net::SocketAddr>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Calm,
    FailsToStart,
    NeverStarts,
    Panics,
}

#[async_trait]
impl App for Diary {
    fn name(&self) -> &'static str {
        "diary"
    }

    async fn start(&mut self, process: &mut Process) -> Result<(), BoxError> {
        self.lines.lock().unwrap().push("start");
        let operations = process.serve_operations().await?;
        let server = Server::bind("127.0.0.1:0".parse()?, &process.configuration.limits).await?;
        let addr = process.serve("http", server, operations);
        let (lines, stop) = (Arc::clone(&self.lines), process.tasks.stop_token());
        process.tasks.spawn("writer", async move {
            stop.cancelled().await;
            lines.lock().unwrap().push("task ended");
            Ok::<(), BoxError>(())
        });
        match self.mood {
            Mood::Calm => {}
            Mood::FailsToStart => return Err("no paper".into()),
            Mood::NeverStarts => {
                self.started.take().map(|sender| sender.send(addr));
                std::future::pending::<()>().await;
            }
            Mood::Panics => process.tasks.spawn("wild", async {
                if true {
                    panic!("a test panics on purpose");
                }
                Ok::<(), BoxError>(())
            }),
        }
        self.started.take().map(|sender| sender.send(addr));
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), BoxError> {
        self.lines.lock().unwrap().push("stop");
        Ok(())
    }
}

async fn live(
    mood: Mood,
    until: impl AsyncFnOnce(std::net::SocketAddr),
) -> (Result<(), RunError>, Vec<&'static str>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (sender, started) = oneshot::channel();
    let mut diary = Diary {
        lines: Arc::clone(&lines),
        mood,
        started: Some(sender),
    };
    let configuration = Arc::new(Sources::new().load().unwrap());
    let process = Process::new(configuration, Arc::new(HandClock::new())).unwrap();
    let told = async {
        match started.await {
            Ok(addr) if mood != Mood::Panics => until(addr).await,
            _ => std::future::pending().await,
        }
    };
    let ended = process.run(&mut diary, told).await;
    let lines = lines.lock().unwrap().clone();
    (ended, lines)
}

#[tokio::test]
async fn the_end_comes_in_order() {
    let (ended, lines) = live(Mood::Calm, async |addr| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = client
            .get(format!("http://{addr}/readyz"))
            .send()
            .await
            .unwrap();
        assert_eq!(ready.status(), http::StatusCode::OK);
    })
    .await;
    ended.unwrap();
    assert_eq!(lines, ["start", "task ended", "stop"]);
}

#[tokio::test]
async fn a_start_that_fails_is_undone_and_reported() {
    let (ended, lines) = live(Mood::FailsToStart, async |_| std::future::pending().await).await;
    assert_eq!(ended.unwrap_err().to_string(), "start: no paper");
    assert_eq!(lines, ["start", "task ended", "stop"]);
}

#[tokio::test]
async fn the_end_may_come_during_the_start() {
    let (ended, lines) = live(Mood::NeverStarts, async |_| {}).await;
    ended.unwrap();
    assert_eq!(lines, ["start", "task ended", "stop"]);
}

#[tokio::test]
async fn a_panic_in_a_task_ends_the_process_with_an_error() {
    let (ended, lines) = live(Mood::Panics, async |_| {}).await;
    assert_eq!(ended.unwrap_err().to_string(), "task wild panicked");
    assert_eq!(lines, ["start", "task ended", "stop"]);
}

#[test]
fn sigterm_ends_a_process_well_and_a_failure_ends_it_badly() {
    let configuration = Sources::new().load().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (sender, started) = oneshot::channel();
    let diary = Diary {
        lines: Arc::clone(&lines),
        mood: Mood::Calm,
        started: Some(sender),
    };
    let killer = std::thread::spawn(move || {
        started.blocking_recv().unwrap();
        let term = format!("kill -TERM {}", std::process::id());
        assert!(
            std::process::Command::new("sh")
                .args(["-c", &term])
                .status()
                .unwrap()
                .success()
        );
    });
    let code = netpatch_chassis::run(diary, configuration.clone());
    killer.join().unwrap();
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::SUCCESS)
    );
    assert_eq!(*lines.lock().unwrap(), ["start", "task ended", "stop"]);
    // Logging is started once per process, so that a second one is refused: an error before the start.
    let diary = Diary {
        lines: Arc::default(),
        mood: Mood::Calm,
        started: None,
    };
    let code = netpatch_chassis::run(diary, configuration);
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::FAILURE)
    );
}

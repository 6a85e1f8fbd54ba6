use super::super::Via;
use super::*;
use std::collections::VecDeque;

const WHOLE: &[u8] = b"0123456789abcdefghij";

/// What a played source does when it is asked once more.
#[derive(Clone)]
enum Does {
    /// Sends what was asked for, of these bytes, with this entity tag, and breaks off after so many.
    Sends(&'static [u8], &'static str, usize),
    /// The same, whatever range was asked for.
    SendsAll(&'static [u8], &'static str),
    Answers(u16),
    IsGone,
}

struct Played {
    does: Mutex<VecDeque<Does>>,
    asked: Mutex<Vec<(u64, u64)>>,
    is_relay: bool,
}

fn played(is_relay: bool, does: &[Does]) -> Arc<Played> {
    Arc::new(Played {
        does: Mutex::new(does.iter().cloned().collect()),
        asked: Mutex::default(),
        is_relay,
    })
}

impl Played {
    fn asked(&self) -> Vec<(u64, u64)> {
        self.asked.lock().expect("lock").clone()
    }
}

fn answer(
    is_relay: bool,
    status: u16,
    total: usize,
    etag: &str,
    parts: Vec<io::Result<Bytes>>,
    size: usize,
) -> PayloadAnswer {
    PayloadAnswer {
        status,
        size_bytes: Some(size as u64),
        total_bytes: total as u64,
        last_modified: String::new(),
        etag: etag.into(),
        content_type: String::new(),
        via: if is_relay {
            Via::relay()
        } else {
            Via::direct()
        },
        body: futures::stream::iter(parts).boxed(),
    }
}

#[async_trait]
impl PayloadSource for Played {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        self.asked
            .lock()
            .expect("lock")
            .push((request.offset, request.length));
        let does = self
            .does
            .lock()
            .expect("lock")
            .pop_front()
            .unwrap_or(Does::IsGone);
        let piece = |bytes: &'static [u8]| Ok(Bytes::from_static(bytes));
        Ok(match does {
            Does::Sends(bytes, etag, most) => {
                let wanted = &bytes[usize::try_from(request.offset).expect("small")..];
                let wanted = match request.length {
                    0 => wanted,
                    length => &wanted[..usize::try_from(length).expect("small")],
                };
                let status = if request.offset > 0 || request.length > 0 {
                    206
                } else {
                    200
                };
                let mut parts = vec![piece(&wanted[..wanted.len().min(most)])];
                if wanted.len() > most {
                    parts.push(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                answer(
                    self.is_relay,
                    status,
                    bytes.len(),
                    etag,
                    parts,
                    wanted.len(),
                )
            }
            Does::SendsAll(bytes, etag) => answer(
                self.is_relay,
                200,
                bytes.len(),
                etag,
                vec![piece(&bytes[..3]), piece(&bytes[3..])],
                bytes.len(),
            ),
            Does::Answers(status) => answer(self.is_relay, status, 0, "", Vec::new(), 0),
            Does::IsGone => {
                return Err(PayloadError {
                    repository: request.repository,
                    path: request.path,
                    reason: "gone".into(),
                });
            }
        })
    }
}

fn sources(relay: Option<&Arc<Played>>, direct: Option<&Arc<Played>>) -> Sources {
    let source = |played: &Arc<Played>| Arc::clone(played) as Arc<dyn PayloadSource>;
    Sources::new(relay.map(source), direct.map(source))
}

async fn read(answer: PayloadAnswer) -> (Vec<u8>, Option<io::ErrorKind>) {
    let (mut bytes, mut body) = (Vec::new(), answer.body);
    while let Some(part) = body.next().await {
        match part {
            Ok(part) => bytes.extend(part),
            Err(error) => return (bytes, Some(error.kind())),
        }
    }
    (bytes, None)
}

async fn fetch(switch: &Switch, offset: u64, length: u64) -> PayloadAnswer {
    let request = PayloadRequest {
        offset,
        length,
        ..PayloadRequest::default()
    };
    switch.fetch(request).await.expect("an answer")
}

const ALL: usize = usize::MAX;

#[tokio::test]
async fn a_payload_whose_relay_is_lost_in_the_middle_goes_on_where_it_stopped() {
    for ends in [Does::Sends(WHOLE, "a", ALL), Does::SendsAll(WHOLE, "a")] {
        let relay = played(true, &[Does::Sends(WHOLE, "a", 7)]);
        let direct = played(false, &[Does::Sends(WHOLE, "a", 4), ends]);
        let switch = Switch::new(sources(Some(&relay), Some(&direct)));
        let answer = fetch(&switch, 0, 0).await;
        let via = answer.via.clone();
        assert!(via.is_relay());
        assert_eq!(read(answer).await, (WHOLE.to_vec(), None));
        assert!(!via.is_relay(), "the last bytes came past it");
        // Once found lost, the relay is not asked again at once.
        assert_eq!(relay.asked(), [(0, 0), (7, 0)]);
        assert_eq!(direct.asked(), [(7, 0), (11, 0)]);
    }
    // The same of a part.
    let relay = played(true, &[Does::Sends(WHOLE, "a", 2)]);
    let direct = played(false, &[Does::Sends(WHOLE, "a", ALL)]);
    let switch = Switch::new(sources(Some(&relay), Some(&direct)));
    let part = read(fetch(&switch, 5, 6).await).await;
    assert_eq!(part, (WHOLE[5..11].to_vec(), None));
    assert_eq!(direct.asked(), [(7, 4)]);
}

#[tokio::test]
async fn it_goes_on_with_the_relay_that_is_in_use_by_then() {
    let lost = played(true, &[Does::Sends(WHOLE, "a", 7)]);
    let other = played(true, &[Does::Sends(WHOLE, "a", ALL)]);
    let switch = Switch::new(sources(Some(&lost), None));
    let answer = fetch(&switch, 0, 0).await;
    switch.set(sources(Some(&other), None));
    assert_eq!(read(answer).await, (WHOLE.to_vec(), None));
    assert_eq!(other.asked(), [(7, 0)]);
}

#[tokio::test]
async fn what_is_another_thing_elsewhere_is_not_gone_on_with() {
    for (relay, direct) in [
        (Does::Sends(WHOLE, "a", 7), Does::Sends(WHOLE, "b", ALL)),
        (Does::Sends(WHOLE, "", 7), Does::Sends(WHOLE, "", ALL)),
        (
            Does::Sends(WHOLE, "a", 7),
            Does::Sends(&WHOLE[..19], "a", ALL),
        ),
        (Does::Sends(WHOLE, "a", 7), Does::Answers(404)),
        (Does::Sends(WHOLE, "a", 7), Does::Answers(416)),
    ] {
        let (relay, direct) = (played(true, &[relay]), played(false, &[direct]));
        let switch = Switch::new(sources(Some(&relay), Some(&direct)));
        let (bytes, broke) = read(fetch(&switch, 0, 0).await).await;
        assert_eq!(bytes, &WHOLE[..7]);
        assert_eq!(broke, Some(io::ErrorKind::UnexpectedEof));
    }
    // What has a hash that is checked afterwards needs no other proof.
    let relay = played(true, &[Does::Sends(WHOLE, "a", 7)]);
    let direct = played(false, &[Does::Sends(WHOLE, "b", ALL)]);
    let switch = Switch::new(sources(Some(&relay), Some(&direct)));
    let request = PayloadRequest {
        sha256: Some(netpatch_types::Sha256::of(WHOLE)),
        ..PayloadRequest::default()
    };
    let answer = switch.fetch(request).await.expect("an answer");
    assert_eq!(read(answer).await, (WHOLE.to_vec(), None));
}

#[tokio::test]
async fn where_the_direct_way_is_forbidden_the_relay_is_waited_for() {
    let relay = played(true, &[Does::Sends(WHOLE, "a", 7)]);
    let switch = Switch::new(sources(Some(&relay), None));
    assert!(!switch.waits_for_relay());
    let (bytes, broke) = read(fetch(&switch, 0, 0).await).await;
    assert_eq!(
        (&*bytes, broke),
        (&WHOLE[..7], Some(io::ErrorKind::UnexpectedEof))
    );
    assert!(switch.waits_for_relay());
    assert_eq!(relay.asked().len(), 1 + GO_ON as usize, "there is an end");
    // It is asked again, and helps again.
    *relay.does.lock().expect("lock") = [
        Does::Answers(503),
        Does::Sends(WHOLE, "a", ALL),
        Does::Answers(403),
    ]
    .into();
    assert_eq!(fetch(&switch, 0, 0).await.status, 503);
    assert!(switch.waits_for_relay());
    assert_eq!(read(fetch(&switch, 0, 0).await).await.0, WHOLE);
    assert!(!switch.waits_for_relay());
    // What it never serves is not waited for.
    assert_eq!(fetch(&switch, 0, 0).await.status, 403);
    assert!(!switch.waits_for_relay());

    let nowhere = Switch::new(sources(None, None));
    assert!(nowhere.waits_for_relay());
    let refused = nowhere.fetch(PayloadRequest::default()).await;
    assert!(
        refused
            .err()
            .is_some_and(|error| error.reason.contains("forbids"))
    );
}

#[tokio::test]
async fn a_relay_that_is_no_help_is_gone_past_and_its_word_on_a_payload_holds() {
    for status in [403, 502, 503, 504] {
        let relay = played(true, &[Does::Answers(status), Does::Sends(WHOLE, "a", ALL)]);
        let direct = played(false, &[Does::Sends(WHOLE, "a", ALL)]);
        let switch = Switch::new(sources(Some(&relay), Some(&direct)));
        let answer = fetch(&switch, 0, 0).await;
        assert!(!answer.via.is_relay());
        assert_eq!(read(answer).await.0, WHOLE);
        // What it cannot do for one repository it may for another.
        assert!(fetch(&switch, 0, 0).await.via.is_relay());
    }
    for status in [304, 404, 416] {
        let relay = played(true, &[Does::Answers(status)]);
        let direct = played(false, &[]);
        let switch = Switch::new(sources(Some(&relay), Some(&direct)));
        assert_eq!(fetch(&switch, 0, 0).await.status, status);
        assert!(direct.asked().is_empty());
    }
}

//! Claiming a relay by the program's command line, against the program itself: code, token file, replacement, and those who are refused.

use crate::api::sign_in;
use crate::program::{Served, netpatch, outcome};
use netpatch_protocol::EnrolmentToken;
use netpatch_protocol::site::{SiteRequest, stream_open};
use netpatch_relay::claim::{Claim, ClaimError};
use netpatch_relay::{DataDir, Enrolment, PendingClaim};
use netpatch_tunnel::{Limits, RelayUplink};
use netpatch_types::{Sha256, SharedClock, SystemClock};
use serde_json::{Value, json};
use std::sync::mpsc;
use std::time::{Duration, Instant};

struct Platform {
    _served: Served,
    folder: tempfile::TempDir,
    url: String,
    edge: String,
    root: Sha256,
    token: String,
    organization: String,
    clock: SharedClock,
}

impl Platform {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let served = tokio::task::block_in_place(|| Served::start(&data));
        let url = format!("http://{}", served.http);
        let login: Value =
            serde_json::from_slice(&std::fs::read(data.join("keys/bootstrap-admin")).unwrap())
                .unwrap();
        let at = url.clone();
        let token = tokio::task::spawn_blocking(move || sign_in(&at, &login));
        let mut this = Self {
            _served: served,
            folder,
            url,
            edge: String::new(),
            root: Sha256::default(),
            token: token.await.unwrap(),
            organization: String::new(),
            clock: SystemClock::shared(),
        };
        let query = "{ platform { edgePort rootFingerprint } viewer { organizations(first: 2) { nodes { id } } } }";
        let found = this.ask(query, json!({})).await;
        this.edge = format!("127.0.0.1:{}", found["platform"]["edgePort"]);
        let root = &found["platform"]["rootFingerprint"];
        this.root = root.as_str().unwrap().parse().unwrap();
        let organization = &found["viewer"]["organizations"]["nodes"][0]["id"];
        this.organization = organization.as_str().unwrap().to_owned();
        this
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http
            .post(format!("{}/graphql", self.url))
            .bearer_auth(&self.token)
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await
            .unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        answer["data"].take()
    }

    async fn site(&self, name: &str) -> String {
        let query = "mutation($input: SiteCreateInput!) { siteCreate(input: $input) { site { id } userErrors { message } } }";
        let input = json!({"organizationId": self.organization, "name": name, "timeZone": "UTC", "idempotencyKey": name});
        let made = self.ask(query, json!({"input": input})).await;
        let id = made["siteCreate"]["site"]["id"].as_str();
        id.unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// `netpatch relay …`, its input no terminal.
    fn cli(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = netpatch(&[&["relay"], arguments].concat());
        command
            .env("NETPATCH_URL", &self.url)
            .env("NETPATCH_TOKEN", &self.token);
        tokio::task::block_in_place(|| outcome(&command.output().unwrap()))
    }

    fn machine(&self, name: &str) -> DataDir {
        DataDir::open(&self.folder.path().join(name)).unwrap()
    }

    fn claim<'a>(&'a self, data: &'a DataDir) -> Claim<'a> {
        Claim {
            server: self.edge.as_str().into(),
            platform_root: self.root,
            data,
            clock: &self.clock,
            limits: Limits::default(),
        }
    }

    /// A machine that shows a code, and the certificate that it gets in the end.
    fn shows_code<'a>(
        &'a self,
        data: &'a DataDir,
    ) -> (
        mpsc::Receiver<PendingClaim>,
        impl Future<Output = Result<Enrolment, ClaimError>> + 'a,
    ) {
        let (send, shown) = mpsc::channel();
        let claiming = async move {
            let claim = self.claim(data);
            claim
                .by_code(|pending| send.send(pending.clone()).unwrap())
                .await
        };
        (shown, claiming)
    }

    /// What the edge says to a relay with this certificate.
    async fn reached(&self, data: &DataDir, as_it_was: &Enrolment) -> Result<u32, String> {
        let identity = as_it_was.identity(data.key().unwrap());
        let to = self.edge.as_str().into();
        let limits = Limits::default();
        let link = RelayUplink::connect(&to, as_it_was.trust(), &identity, &self.clock, limits);
        let link = link.await.map_err(|error| error.to_string())?;
        match link.open(stream_open::Kind::Site(SiteRequest {})).await {
            Ok((answer, _)) => Ok(answer.status),
            Err(_) => Err(link.closed().await),
        }
    }

    async fn logged(&self, action: &str) -> Value {
        let query = "query($id: ID!) { organization(id: $id) { ledger(first: 100) { nodes { action details { key value } } } } }";
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.ask(query, json!({"id": self.organization})).await;
            let entries = found["organization"]["ledger"]["nodes"].as_array().unwrap();
            if let Some(entry) = entries.iter().find(|entry| entry["action"] == action) {
                return entry["details"].clone();
            }
            assert!(
                Instant::now() < until,
                "{action} is not in the ledger: {found}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Runs a machine's claim beside what a person does with its code.
async fn beside<T>(
    shown: mpsc::Receiver<PendingClaim>,
    claiming: impl Future<Output = Result<Enrolment, ClaimError>>,
    person: impl FnOnce(&str) -> T,
) -> (Enrolment, T) {
    let acts = async {
        let pending = loop {
            match shown.try_recv() {
                Ok(pending) => break pending,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        person(&pending.claim_code)
    };
    let (claimed, done) = tokio::join!(claiming, acts);
    (claimed.unwrap(), done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_is_claimed_by_its_code_and_replaced_and_the_old_one_is_refused() {
    let platform = Platform::start().await;
    platform.site("Harbour").await;
    let first = platform.machine("first");
    let key = first.fingerprint().unwrap();
    let (shown, claiming) = platform.shows_code(&first);
    let (old, ()) = beside(shown, claiming, |code| {
        let claim = [
            "claim",
            code,
            "--site",
            "Harbour",
            "--name",
            "harbour-relay",
        ];
        // Nobody compared, somebody else's fingerprint, no such site, no such code: nothing is done.
        let (exit, out, err) = platform.cli(&claim);
        assert_eq!((exit, out.as_str()), (Some(6), ""), "{err}");
        assert!(err.contains(&key.grouped()), "{err}");
        let other = Sha256::of(b"another machine").to_string();
        let (exit, _, err) = platform.cli(&[&claim[..], &["--fingerprint", &other]].concat());
        assert_eq!(exit, Some(1), "{err}");
        assert!(err.contains("another machine than"), "{err}");
        let shown = key.grouped();
        let nowhere = [
            "claim",
            code,
            "--site",
            "Nowhere",
            "--name",
            "x",
            "--fingerprint",
            &shown,
        ];
        assert_eq!(platform.cli(&nowhere).0, Some(5));
        let wrong = if code == "BBBB-BBBB" {
            "CCCC-CCCC"
        } else {
            "BBBB-BBBB"
        };
        let wrong = [
            "claim",
            wrong,
            "--site",
            "Harbour",
            "--name",
            "x",
            "--fingerprint",
            &shown,
        ];
        let (exit, _, err) = platform.cli(&wrong);
        assert_eq!(exit, Some(1), "{err}");
        assert!(err.contains("no relay waits"), "{err}");
        assert_eq!(
            platform
                .cli(&[
                    "claim",
                    code,
                    "--site",
                    "Harbour",
                    "--name",
                    "x",
                    "--fingerprint",
                    "12"
                ])
                .0,
            Some(2)
        );

        let (exit, out, err) = platform.cli(&[&claim[..], &["--fingerprint", &shown]].concat());
        assert_eq!(exit, Some(0), "{err}");
        assert!(out.contains("harbour-relay belongs to Harbour"), "{out}");
        // Single use.
        let again = [&claim[..], &["--fingerprint", &shown]].concat();
        assert_eq!(platform.cli(&again).0, Some(1));
    })
    .await;
    assert_eq!(platform.reached(&first, &old).await.unwrap(), 200);
    let details = platform.logged("relay.claimed").await.to_string();
    assert!(details.contains(&key.to_string()), "{details}");

    // It breaks; another machine takes its place.
    let second = platform.machine("second");
    let (shown, claiming) = platform.shows_code(&second);
    let key = second.fingerprint().unwrap().grouped();
    let (new, ()) = beside(shown, claiming, |code| {
        let absent = ["replace", "nobody", code, "--fingerprint", &key];
        assert_eq!(platform.cli(&absent).0, Some(5));
        let replace = [
            "replace",
            "harbour-relay",
            code,
            "--fingerprint",
            &key,
            "-o",
            "json",
        ];
        let (exit, out, err) = platform.cli(&replace);
        assert_eq!(exit, Some(0), "{err}");
        let relay: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(relay["relay"]["name"], "harbour-relay", "{out}");
    })
    .await;
    assert_eq!(
        (&new.relay_id, &new.site_id),
        (&old.relay_id, &old.site_id),
        "the same relay"
    );
    assert_eq!(platform.reached(&second, &new).await.unwrap(), 200);
    let refused = platform.reached(&first, &old).await;
    let refused = refused
        .expect_err("the old certificate is refused")
        .to_string();
    assert!(refused.contains("revoked"), "{refused}");
    let details = platform.logged("relay.replaced").await.to_string();
    assert!(
        details.contains(&second.fingerprint().unwrap().to_string())
            && details.contains(&first.fingerprint().unwrap().to_string()),
        "{details}"
    );
    let (exit, out, _) = platform.cli(&["list", "-o", "json"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(exit, Some(0));
    assert_eq!(listed["relays"].as_array().unwrap().len(), 1, "{out}");
    assert_eq!(
        listed["relays"][0]["keyFingerprint"],
        second.fingerprint().unwrap().to_string()
    );
    let (exit, out, _) = platform.cli(&["list"]);
    assert_eq!(exit, Some(0));
    assert!(
        out.contains("harbour-relay") && out.contains("Harbour"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_file_makes_one_relay_whoever_races_or_asks_again() {
    let platform = Platform::start().await;
    let site = platform.site("Harbour").await;
    let query = "mutation($input: EnrolmentTokenCreateInput!) { enrolmentTokenCreate(input: $input) { token userErrors { message } } }";
    let input = json!({"organizationId": platform.organization, "siteId": site, "forRelay": true, "idempotencyKey": "t"});
    let made = platform.ask(query, json!({"input": input})).await;
    let token = made["enrolmentTokenCreate"]["token"].as_str().unwrap();
    let token: EnrolmentToken = token.parse().unwrap();

    let machines = [platform.machine("one"), platform.machine("two")];
    let claims = machines.each_ref().map(|data| platform.claim(data));
    let (one, two) = tokio::join!(
        claims[0].by_token(&token.secret),
        claims[1].by_token(&token.secret)
    );
    let winner = usize::from(one.is_err());
    let (won, lost) = match (one, two) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("one of two: {both:?}"),
    };
    assert!(matches!(lost, ClaimError::Refused { .. }), "{lost}");

    // Killed before the answer was kept: the same machine asks again and is the same relay.
    let data = &machines[winner];
    std::fs::remove_file(data.join("identity.json")).unwrap();
    let again = platform.claim(data).by_token(&token.secret).await.unwrap();
    assert_eq!(
        (&again.relay_id, &again.site_id),
        (&won.relay_id, &won.site_id)
    );
    assert_eq!(platform.reached(data, &again).await.unwrap(), 200);
    let (_, out, _) = platform.cli(&["list", "-o", "json"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(listed["relays"].as_array().unwrap().len(), 1, "{out}");
}

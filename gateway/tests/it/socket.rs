//! `graphql-transport-ws`.

use crate::world::World;
use futures::{SinkExt as _, StreamExt as _};
use netpatch_auth::Role;
use netpatch_gateway::Settings;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Root fields of `Subscription` that are tested here with two tenants.
pub(crate) const FOLLOWED: [&str; 2] = ["waveProgress", "organizationEvents"];

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

async fn serve(world: &World) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = world
        .router
        .clone()
        .into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

impl Socket {
    async fn open(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().unwrap(),
        );
        for (name, value) in headers {
            request.headers_mut().insert(
                axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn with_token(address: SocketAddr, token: &str) -> Self {
        let mut socket = Self::open(address, &[]).await.unwrap();
        socket.send(json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}})).await;
        assert_eq!(socket.next().await, Ok(json!({"type": "connection_ack"})));
        socket
    }

    async fn send(&mut self, message: Value) {
        self.0
            .send(Message::Text(message.to_string().into()))
            .await
            .unwrap();
    }

    /// The next message, or the close code.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(20), self.0.next())
                .await
                .unwrap();
            match message.unwrap().unwrap() {
                Message::Text(text) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["type"] != "ping" {
                        return Ok(value);
                    }
                }
                Message::Close(frame) => return Err(frame.map_or(0, |frame| frame.code.into())),
                _ => {}
            }
        }
    }

    async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.send(json!({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})).await;
    }
}

const PROGRESS: &str = "subscription($id: ID!, $after: Sequence) { waveProgress(deploymentId: $id, afterSequence: $after) { sequence deployment { status } waves { counts { total } } } }";
const EVENTS: &str = "subscription($id: ID!) { organizationEvents(organizationId: $id) { kind } }";

#[tokio::test]
async fn progress_comes_at_once_and_again_when_something_changed() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let hub = world.state.hub().clone();
    let (stop, address) = (world.stop.clone(), serve(&world).await);
    tokio::spawn(async move { hub.run(stop).await });
    let mut socket = Socket::with_token(address, &token).await;
    socket
        .subscribe(
            "1",
            PROGRESS,
            json!({"id": crate::tenancy::public("deploy", world.own)}),
        )
        .await;
    let first = socket.next().await.unwrap();
    let event = &first["payload"]["data"]["waveProgress"];
    assert_eq!(
        (
            &event["deployment"]["status"],
            &event["waves"][0]["counts"]["total"]
        ),
        (&json!("RUNNING"), &json!(3)),
        "{first}"
    );

    let of = world.own;
    let changed = json!({"events": [{"cursor": {"epoch": 1, "xid": 2, "id": 2}, "id": uuid::Uuid::now_v7(), "tenant": of, "aggregate": "d",
        "at": netpatch_types::Clock::now(&*world.clock), "payload": {"v": "1", "kind": "wave_changed", "deployment": uuid::Uuid::from_u128(7),
        "wave": uuid::Uuid::from_u128(7), "ordinal": 1, "status": "passed", "reason": ""}}], "next": {"epoch": 1, "xid": 2, "id": 2}});
    world.script.answer_with(move |method, body| match method {
        "deployment_get" => None,
        "wave_list" => Some(Ok(json!([{"id": uuid::Uuid::from_u128(7), "tenant": of, "deployment": uuid::Uuid::from_u128(7), "ordinal": 1, "status": "passed",
            "reason": "", "counts": netpatch_scheduler_api::WaveCounts { total: 3, succeeded: 3, ..Default::default() }, "opened_at": null, "ended_at": null}]))),
        "events" if body["after"]["xid"] == json!(1) => Some(Ok(changed.clone())),
        _ => None,
    });
    let second = socket.next().await.unwrap();
    let sequence = |message: &Value| {
        message["payload"]["data"]["waveProgress"]["sequence"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(sequence(&second) > sequence(&first), "{first} {second}");
    socket.send(json!({"id": "1", "type": "complete"})).await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await, Ok(json!({"type": "pong"})));
}

#[tokio::test]
async fn no_subscription_crosses_organizations() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let mut socket = Socket::with_token(serve(&world).await, &token).await;
    world.script.forget();
    for (id, query, of) in [
        (
            "1",
            PROGRESS,
            crate::tenancy::public("deploy", world.foreign),
        ),
        ("2", EVENTS, world.id(world.foreign)),
    ] {
        socket.subscribe(id, query, json!({"id": of})).await;
        let answer = socket.next().await.unwrap();
        let errors = if answer["type"] == "error" {
            &answer["payload"]
        } else {
            &answer["payload"]["errors"]
        };
        assert_eq!(errors[0]["extensions"]["code"], "NOT_FOUND", "{answer}");
        if answer["type"] == "next" {
            assert_eq!(
                socket.next().await.unwrap(),
                json!({"id": id, "type": "complete"})
            );
        }
    }
    assert!(world.script.calls().is_empty());
}

#[tokio::test]
async fn queries_go_over_the_socket_too_and_ids_are_used_once() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let mut socket = Socket::with_token(serve(&world).await, &token).await;
    socket
        .subscribe("q", "{ viewer { actor { name } } }", json!({}))
        .await;
    assert_eq!(
        socket.next().await.unwrap()["payload"]["data"]["viewer"]["actor"]["name"],
        "owner"
    );
    assert_eq!(
        socket.next().await.unwrap(),
        json!({"id": "q", "type": "complete"})
    );
    socket.subscribe("bad", "{ nothing }", json!({})).await;
    let answer = socket.next().await.unwrap();
    assert_eq!(
        (&answer["type"], &answer["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("GRAPHQL_VALIDATION_FAILED"))
    );
    let events = json!({"id": world.id(world.own)});
    socket.subscribe("e", EVENTS, events.clone()).await;
    socket.subscribe("e", EVENTS, events).await;
    assert_eq!(socket.next().await, Err(4409));
}

#[tokio::test]
async fn nobody_and_strangers_do_not_get_in() {
    let world = World::new().await;
    let address = serve(&world).await;
    let init = json!({"type": "connection_init"});
    for (messages, code) in [
        (vec![init.clone()], 4403),
        (
            vec![
                json!({"type": "connection_init", "payload": {"authorization": "Bearer nps_wrong"}}),
            ],
            4403,
        ),
        (
            vec![json!({"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}})],
            4403,
        ),
        (vec![json!({"type": "nonsense"})], 4400),
        (vec![json!([])], 4400),
    ] {
        let mut socket = Socket::open(address, &[]).await.ok().unwrap();
        for message in messages {
            socket.send(message).await;
        }
        assert_eq!(socket.next().await, Err(code));
    }
    let host = address.to_string();
    assert_eq!(
        Socket::open(address, &[("origin", "https://evil.example")])
            .await
            .err(),
        Some(403)
    );
    assert_eq!(
        Socket::open(address, &[("cookie", "netpatch=nps_x")])
            .await
            .err(),
        Some(403),
        "a browser says where it is from"
    );
    assert!(
        Socket::open(
            address,
            &[
                ("origin", &format!("http://{host}")),
                ("cookie", "netpatch=nps_x")
            ]
        )
        .await
        .is_ok()
    );
    let token = world.bearer(world.own, Role::Owner).await;
    let mut socket = Socket::with_token(address, &token).await;
    socket.send(init).await;
    assert_eq!(socket.next().await, Err(4429));
}

#[tokio::test]
async fn a_session_that_ends_ends_its_socket() {
    let world = World::with(Settings {
        recheck: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let address = serve(&world).await;
    let (email, password) = world.person(world.own, Role::Owner).await;
    let answer = world
        .post(
            "/auth/sign-in",
            &[],
            json!({"email": email, "password": password}),
        )
        .await;
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let origin = format!("http://{address}");
    let mut socket = Socket::open(address, &[("origin", &origin), ("cookie", &cookie)])
        .await
        .ok()
        .unwrap();
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.next().await, Ok(json!({"type": "connection_ack"})));
    socket
        .subscribe("e", EVENTS, json!({"id": world.id(world.own)}))
        .await;
    world
        .post(
            "/auth/sign-out",
            &[("cookie", &cookie), ("x-netpatch-csrf", "1")],
            json!({}),
        )
        .await;
    assert_eq!(socket.next().await, Err(4403));
}

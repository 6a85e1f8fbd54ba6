//! The same suite on the embedded store and on an S3 server behind a socket.

use netpatch_storage::blobs::{BlobError, Blobs, content_key};
use netpatch_testkit::{S3Server, has_s3_keys, poll_until};
use netpatch_types::Sha256;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

async fn conforms(blobs: &Blobs) {
    assert_eq!(blobs.get("a/none").await.unwrap(), None);
    assert!(!blobs.exists("a/none").await.unwrap());
    blobs.put("a/one", &b"1"[..]).await.unwrap();
    blobs.put("a/one", &b"eins"[..]).await.unwrap();
    assert_eq!(blobs.get("a/one").await.unwrap().unwrap(), &b"eins"[..]);
    blobs.put_durable("a/b/two", Vec::new()).await.unwrap();
    assert_eq!(blobs.get("a/b/two").await.unwrap().unwrap().len(), 0);
    assert!(blobs.read("a/none", 0).await.unwrap().is_none());
    for (offset, rest) in [(0, "eins"), (1, "ins"), (3, "s")] {
        let mut reading = blobs.read("a/one", offset).await.unwrap().unwrap();
        let mut bytes = String::new();
        reading.bytes.read_to_string(&mut bytes).await.unwrap();
        assert_eq!((reading.total_bytes, bytes.as_str()), (4, rest));
    }
    assert!(blobs.read("a/one", 4).await.unwrap().is_none());
    assert!(blobs.read("a/one", u64::MAX).await.unwrap().is_none());
    let large: Vec<u8> = (0..3_000_000u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let (key, digest) = blobs.put_named("payload", large.clone()).await.unwrap();
    assert_eq!(key, content_key("payload", &Sha256::of(&large)));
    assert_eq!(
        blobs.put_named("payload", large.clone()).await.unwrap().0,
        key
    );
    assert_eq!(
        blobs.get_named("payload", &digest).await.unwrap().unwrap(),
        large
    );
    blobs.put(&key, &b"other"[..]).await.unwrap();
    assert!(matches!(
        blobs.get_named("payload", &digest).await,
        Err(BlobError::Damaged(_))
    ));
    assert_eq!(blobs.list("a/").await.unwrap(), ["a/b/two", "a/one"]);
    assert!(blobs.list("nothing/").await.unwrap().is_empty());
    let stored = blobs.stored("a/").await.unwrap();
    let mut sizes: Vec<_> = stored
        .iter()
        .map(|blob| (blob.key.as_str(), blob.size_bytes))
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [("a/b/two", 0), ("a/one", 4)]);
    assert!(stored.iter().all(|blob| blob.written_at > 1_000_000_000));
    blobs.delete("a/one").await.unwrap();
    blobs.delete("a/one").await.unwrap();
    assert!(!blobs.exists("a/one").await.unwrap());
    assert!(matches!(
        blobs.put("../x", &b""[..]).await,
        Err(BlobError::Key(_))
    ));
    for number in 0..1005 {
        blobs
            .put(&format!("many/{number:04}"), &b"x"[..])
            .await
            .unwrap();
    }
    assert_eq!(blobs.list("many/").await.unwrap().len(), 1005);
}

#[tokio::test]
async fn the_embedded_store_conforms_and_keeps_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file:{}", folder.path().join("blobs").display());
    let blobs = Blobs::connect(&address).await.unwrap();
    conforms(&blobs).await;
    drop(blobs);
    let again = Blobs::connect(&address).await.unwrap();
    assert!(again.exists("a/b/two").await.unwrap());
}

#[tokio::test]
async fn a_folder_belongs_to_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file:{}", folder.path().display());
    let first = Blobs::connect(&address).await.unwrap();
    let copy = first.clone();
    let second = Blobs::connect(&address).await;
    assert!(matches!(second, Err(BlobError::Open(_))), "{second:?}");
    drop(first);
    drop(copy);
    Blobs::connect(&address).await.unwrap();
}

#[tokio::test]
async fn a_store_behind_a_socket_conforms() {
    if has_s3_keys("blobs::a_store_behind_a_socket_conforms").await {
        let server = S3Server::start().await;
        conforms(&Blobs::connect(&server.address()).await.unwrap()).await;
    }
}

#[tokio::test]
async fn an_address_lets_in_whoever_has_it_for_a_while() {
    if !has_s3_keys("blobs::an_address_lets_in_whoever_has_it_for_a_while").await {
        return;
    }
    let server = S3Server::start().await;
    let blobs = Blobs::connect(&server.address()).await.unwrap();
    blobs.put("a/one", &b"0123456789"[..]).await.unwrap();
    let signed = async |key: &str, seconds: u64| {
        let signed = blobs.presigned(key, Duration::from_secs(seconds)).await;
        signed.unwrap().expect("an address")
    };
    let client = reqwest::Client::new();
    let get = async |url: &str, range: &str| {
        let request = client.get(url).header("range", range).send().await.unwrap();
        let status = request.status().as_u16();
        (status, request.text().await.unwrap())
    };
    let url = signed("a/one", 300).await;
    assert_eq!(get(&url, "").await, (200, "0123456789".to_owned()));
    assert_eq!(get(&url, "bytes=4-").await, (206, "456789".to_owned()));
    // Of another object, another bucket or another lifetime it says nothing.
    for other in [
        url.replace("a/one", "a/two"),
        url.replace("/bucket/", "/bucke/"),
        url.replace("Expires=300", "Expires=3000"),
        url.split_once('?').unwrap().0.to_owned(),
    ] {
        assert_ne!(other, url);
        assert_eq!(get(&other, "").await.0, 403, "{other}");
    }
    let writing = client.put(&url).body("x").send().await.unwrap();
    assert_eq!(writing.status().as_u16(), 403);
    assert_eq!(get(&signed("a/none", 300).await, "").await.0, 404);
    // It ends.
    let short = signed("a/one", 1).await;
    poll_until("its end", Duration::from_secs(30), async || {
        (get(&short, "").await.0 == 403).then_some(())
    })
    .await;
    // Embedded there is none.
    let folder = tempfile::tempdir().unwrap();
    let embedded = Blobs::connect(&format!("file:{}", folder.path().display())).await;
    let none = embedded
        .unwrap()
        .presigned("a/one", Duration::from_secs(60))
        .await;
    assert_eq!(none.unwrap(), None);
    let bad = blobs.presigned("../a", Duration::from_secs(60)).await;
    assert!(matches!(bad, Err(BlobError::Key(_))));
}

#[tokio::test]
async fn wrong_addresses_are_refused() {
    for address in ["", "http://x", "s3://", "s3://a/b", "s3://a?colour=red"] {
        assert!(
            matches!(Blobs::connect(address).await, Err(BlobError::Address(_))),
            "{address}"
        );
    }
}

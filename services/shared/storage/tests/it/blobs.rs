//! The same suite on the embedded store and on an S3 server behind a socket.

use netpatch_storage::blobs::{BlobError, Blobs, content_key};
use netpatch_types::Sha256;

async fn conforms(blobs: &Blobs) {
    assert_eq!(blobs.get("a/none").await.unwrap(), None);
    assert!(!blobs.exists("a/none").await.unwrap());
    blobs.put("a/one", &b"1"[..]).await.unwrap();
    blobs.put("a/one", &b"eins"[..]).await.unwrap();
    assert_eq!(blobs.get("a/one").await.unwrap().unwrap(), &b"eins"[..]);
    blobs.put_durable("a/b/two", Vec::new()).await.unwrap();
    assert_eq!(blobs.get("a/b/two").await.unwrap().unwrap().len(), 0);
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
async fn wrong_addresses_are_refused() {
    for address in ["", "http://x", "s3://", "s3://a/b", "s3://a?colour=red"] {
        assert!(
            matches!(Blobs::connect(address).await, Err(BlobError::Address(_))),
            "{address}"
        );
    }
}

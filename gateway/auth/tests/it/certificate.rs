//! Certificates of hosts and relays, and of the edge, as the other side checks them.

use crate::world::{World, code, key_and_request};
use base64::Engine as _;
use netpatch_auth::{IssuedCertificate, RoleKeys, Subject};
use netpatch_proof::{P256Signer, PublicKey, Signer as _};
use netpatch_protocol::document::Root;
use netpatch_protocol::enrol::{EnrolAnswer, EnrolRequest};
use netpatch_protocol::{SubjectKind, counter::renewal_bytes, open_envelope};
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::{
    EdgeEndpoint, EdgeIncoming, Limits, PlatformTrust, ServerIdentity, verify_identity,
};
use netpatch_types::{ErrorCode, HostId, OrganizationId, ServiceResult, Sha256, SharedClock};
use std::net::SocketAddr;
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const DAY: u64 = 86_400;

/// A request with a P-384 key, signed with SHA-256 (`openssl req -newkey ec:secp384r1 -sha256`): its signature names the same
/// algorithm as one of a P-256 key.
const P384_WITH_SHA256: &str = "MIIBBDCBiwIBADAMMQowCAYDVQQDDAF4MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEh6mor0F+54NC6QvbVHjnUup/OEc9AhERxgyZsAqEqZpaBaNYRlrY+xIO58sOhDGWV227YSz3FNTbD8vHqzDC7Me6rscVanmXMCVUwsTWDZmF3EpGuKuHFTe7gPMUI9q+oAAwCgYIKoZIzj0EAwIDaAAwZQIxAI8j7iAau2z1GHyvZRG+UrY8Hz08JGJbUSCd2tDk4NoqAdF5bm/yeXe2VtuXD/m6UQIwMLEiDDCVlZRVynexB0+47R4WhSNHkKJw4m9hQNY02oGFzIH/h8M779UVMnjaohzv";

/// A host's certificate with its key.
async fn host(world: &World, organization: OrganizationId) -> (IssuedCertificate, Vec<u8>) {
    let (key, request) = key_and_request();
    let host = HostId::new(world.now());
    let issued = world.auth.host_enrol(organization, host, &request).await;
    (issued.unwrap(), key)
}

fn verified(world: &World, certificate: &[u8], ca: &[u8]) -> Option<Subject> {
    let now = world.now().timestamp().cast_unsigned();
    verify_identity(certificate, ca, now).ok()
}

#[tokio::test]
async fn an_authority_that_another_process_replaces_counts_at_once() {
    let world = World::new().await;
    let (organization, other) = (world.customer().await, world.customer().await);
    let (issued, _) = host(&world, organization).await;
    let first = world.auth.issuing_ca(organization).unwrap();
    assert_eq!(world.auth.issuing_ca(organization).unwrap(), first);
    let foreign = world.auth.organization_ca(other).await.unwrap();
    // As a rotation leaves it: the same name, another certificate.
    let file = world.key_file(&format!("{organization}/ca.der"));
    let replace = |by: &[u8]| {
        let next = file.with_extension("next");
        std::fs::write(&next, by).unwrap();
        std::fs::rename(&next, &file).unwrap();
    };
    replace(&foreign);
    assert_eq!(world.auth.issuing_ca(organization).unwrap(), foreign);
    assert_eq!(world.auth.issuing_ca(organization).unwrap(), foreign);
    replace(&first);
    let ca = world.auth.issuing_ca(organization).unwrap();
    assert_eq!(ca, first);
    assert_eq!(
        verified(&world, &issued.certificate_der, &ca),
        Some(issued.subject)
    );
    assert_eq!(world.auth.issuing_ca(other).unwrap(), foreign);
}

#[tokio::test]
async fn a_certificate_holds_under_its_own_organizations_authority_while_it_lasts() {
    let world = World::new().await;
    let (organization, other) = (world.customer().await, world.customer().await);
    let (issued, _) = host(&world, organization).await;
    let ca = world.auth.organization_ca(organization).await.unwrap();
    assert_eq!(issued.ca_der, ca);
    let certificate = &issued.certificate_der;
    assert_eq!(verified(&world, certificate, &ca), Some(issued.subject));
    assert_eq!(
        (issued.subject.organization, issued.subject.kind),
        (organization, SubjectKind::Host)
    );
    let foreign = world.auth.organization_ca(other).await.unwrap();
    assert_eq!(verified(&world, certificate, &foreign), None);
    assert_eq!(
        world.restarted().organization_ca(other).await.unwrap(),
        foreign
    );
    let nobody = OrganizationId::new(world.now());
    assert_eq!(
        code(world.auth.organization_ca(nobody).await),
        ErrorCode::NotFound
    );
    world.pass(30 * DAY);
    assert_eq!(verified(&world, certificate, &ca), Some(issued.subject));
    world.pass(1);
    assert_eq!(verified(&world, certificate, &ca), None);

    // A host is no server; nothing below the authority is one itself.
    let (_, leaf) = X509Certificate::from_der(certificate).unwrap();
    let usage = leaf.extended_key_usage().unwrap().unwrap().value.clone();
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    assert!(!leaf.is_ca());
    let (_, root) = X509Certificate::from_der(&ca).unwrap();
    let constraints = root.basic_constraints().unwrap().unwrap().value.clone();
    assert_eq!(
        (constraints.ca, constraints.path_len_constraint),
        (true, Some(0))
    );
}

#[tokio::test]
async fn only_requests_with_a_p256_key_are_signed_and_nothing_of_them_but_the_key_counts() {
    let world = World::new().await;
    let organization = world.customer().await;
    let enrol = async |request: &[u8]| {
        let host = HostId::new(world.now());
        world.auth.host_enrol(organization, host, request).await
    };
    let request = |algorithm, server: bool| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let name = "spiffe://netpatch/other/host/other".to_owned();
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names = vec![rcgen::SanType::URI(name.try_into().unwrap())];
        if server {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        }
        params.serialize_request(&key).unwrap().der().to_vec()
    };
    let good = request(&rcgen::PKCS_ECDSA_P256_SHA256, true);
    let mut trailing = good.clone();
    trailing.push(0);
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    let p384_with_sha256 = base64::engine::general_purpose::STANDARD
        .decode(P384_WITH_SHA256)
        .unwrap();
    assert!(
        rcgen::CertificateSigningRequestParams::from_der(&p384_with_sha256.clone().into()).is_ok()
    );
    for bad in [
        b"garbage".to_vec(),
        vec![],
        vec![0x30; 9000],
        trailing,
        broken,
        request(&rcgen::PKCS_ECDSA_P384_SHA384, false),
        p384_with_sha256,
        request(&rcgen::PKCS_ECDSA_P521_SHA256, false),
        request(&rcgen::PKCS_ED25519, false),
    ] {
        let error = enrol(&bad).await.unwrap_err();
        assert_eq!(
            (error.code, error.path),
            (ErrorCode::BadUserInput, vec!["csr".to_owned()])
        );
    }
    assert_eq!(world.count(organization, "certificates").await, 0);
    let issued = enrol(&good).await.unwrap();
    let found = verified(&world, &issued.certificate_der, &issued.ca_der);
    assert_eq!(found, Some(issued.subject));
    let (_, leaf) = X509Certificate::from_der(&issued.certificate_der).unwrap();
    assert!(
        !leaf
            .extended_key_usage()
            .unwrap()
            .unwrap()
            .value
            .server_auth
    );
}

#[tokio::test]
async fn a_revoked_subject_is_refused_and_cannot_renew_itself() {
    let world = World::new().await;
    let organization = world.customer().await;
    let (issued, _) = host(&world, organization).await;
    let (neighbour, _) = host(&world, organization).await;
    let live = async |issued: &IssuedCertificate| {
        let (subject, der) = (issued.subject, &issued.certificate_der);
        world.auth.certificate_live(subject, der).await
    };
    live(&issued).await.unwrap();
    // A certificate speaks for its own subject only.
    let borrowed = world
        .auth
        .certificate_live(neighbour.subject, &issued.certificate_der)
        .await;
    assert_eq!(code(borrowed), ErrorCode::Unauthenticated);

    let (_, request) = key_and_request();
    let renewed = world
        .auth
        .certificate_renew(issued.subject, &request)
        .await
        .unwrap();
    live(&renewed).await.unwrap();
    let serial = |der: &[u8]| {
        X509Certificate::from_der(der)
            .unwrap()
            .1
            .raw_serial()
            .to_vec()
    };
    let again = world
        .auth
        .certificate_renew(issued.subject, &request)
        .await
        .unwrap();
    assert_ne!(
        serial(&renewed.certificate_der),
        serial(&again.certificate_der)
    );

    // A new key for a known machine needs a person first.
    let host = HostId(issued.subject.id);
    let clone = world.auth.host_enrol(organization, host, &request).await;
    assert_eq!(code(clone), ErrorCode::ApprovalRequired);
    let ctx = world.person(organization);
    let revoke = async |ctx, subject| world.auth.certificates_revoke(ctx, subject).await;
    assert_eq!(revoke(&ctx, issued.subject).await.unwrap(), 3);
    assert_eq!(revoke(&ctx, issued.subject).await.unwrap(), 0);
    for gone in [&issued, &renewed, &again] {
        assert_eq!(code(live(gone).await), ErrorCode::Unauthenticated);
    }
    live(&neighbour).await.unwrap();
    // Its session may still be open.
    let renewal = world.auth.certificate_renew(issued.subject, &request).await;
    assert_eq!(code(renewal), ErrorCode::Unauthenticated);
    // That person gave it a new token: a new start.
    let anew = world.auth.host_enrol(organization, host, &request).await;
    live(&anew.unwrap()).await.unwrap();
    let mut reader = ctx.clone();
    reader.permissions = [netpatch_types::Permission::Read].into();
    assert_eq!(
        code(revoke(&reader, neighbour.subject).await),
        ErrorCode::Forbidden
    );
}

#[tokio::test]
async fn revoked_certificates_of_hosts_are_listed_until_their_end_the_last_first() {
    let world = World::new().await;
    let organization = world.customer().await;
    let (first, _) = host(&world, organization).await;
    let (second, _) = host(&world, organization).await;
    let (_stays, _) = host(&world, organization).await;
    let (elsewhere, _) = host(&world, world.customer().await).await;
    let digest = |issued: &IssuedCertificate| Sha256::of(&issued.certificate_der);
    let listed = async |limit| {
        let listed = world.auth.host_certificates_revoked(organization, limit);
        listed.await.unwrap()
    };
    let revoke = async |issued: &IssuedCertificate| {
        let ctx = world.person(issued.subject.organization);
        let revoked = world.auth.certificates_revoke(&ctx, issued.subject).await;
        assert_eq!(revoked.unwrap(), 1);
        world.pass(DAY);
    };
    assert_eq!(listed(10).await, []);
    for issued in [&first, &elsewhere, &second] {
        revoke(issued).await;
    }
    assert_eq!(listed(10).await, [digest(&second), digest(&first)]);
    assert_eq!(listed(1).await, [digest(&second)]);
    // A new one under the same name is not among them.
    let (_, request) = key_and_request();
    let id = HostId(first.subject.id);
    let anew = world.auth.host_enrol(organization, id, &request).await;
    anew.unwrap();
    assert_eq!(listed(10).await, [digest(&second), digest(&first)]);
    world.pass(30 * DAY);
    assert_eq!(listed(10).await, [], "nobody believes them any more");
}

#[tokio::test]
async fn revoking_and_renewing_at_once_leaves_nothing_that_lives() {
    let world = World::new().await;
    let organization = world.customer().await;
    let (issued, _) = host(&world, organization).await;
    let (_, request) = key_and_request();
    let ctx = world.person(organization);
    let renewals = (0..4).map(|_| world.auth.certificate_renew(issued.subject, &request));
    let (renewed, revoked) = futures::join!(
        futures::future::join_all(renewals),
        world.auth.certificates_revoke(&ctx, issued.subject)
    );
    let made = renewed.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(revoked.unwrap(), made as u64 + 1);
}

/// A renewal of a certificate that may have ended.
async fn renew(world: &World, old: &[u8], signed_by: &[u8]) -> ServiceResult<IssuedCertificate> {
    let (_, request) = key_and_request();
    let signer = P256Signer::from_pkcs8_der(signed_by).unwrap();
    let signature = signer.sign(&renewal_bytes(&request)).unwrap();
    world
        .auth
        .certificate_renew_expired(old, &request, &signature)
        .await
}

#[tokio::test]
async fn an_ended_certificate_renews_with_its_own_key_for_half_a_year() {
    let world = World::new().await;
    let organization = world.customer().await;
    let (issued, key) = host(&world, organization).await;
    let (other, other_key) = host(&world, organization).await;
    let old = &issued.certificate_der;
    let refused = async |old: &[u8], key: &[u8]| {
        assert_eq!(
            code(renew(&world, old, key).await),
            ErrorCode::Unauthenticated
        );
    };
    world.pass((30 + 180) * DAY);
    let renewed = renew(&world, old, &key).await.unwrap();
    assert_eq!(renewed.subject, issued.subject);
    assert!(verified(&world, &renewed.certificate_der, &renewed.ca_der).is_some());
    refused(old, &other_key).await;
    refused(b"garbage", &key).await;
    let mut touched = old.clone();
    let middle = touched.len() / 2;
    touched[middle] ^= 1;
    refused(&touched, &key).await;
    // Revoked before.
    let ctx = world.person(organization);
    world
        .auth
        .certificates_revoke(&ctx, other.subject)
        .await
        .unwrap();
    refused(&other.certificate_der, &other_key).await;
    world.pass(1);
    refused(old, &key).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_does_not_renew_whatever_it_says() {
    let world = World::new().await;
    let organization = world.customer().await;
    let (issued, _) = host(&world, organization).await;
    // A self-made authority issues the very same name.
    let ca_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    let name = issued.subject.to_string().try_into().unwrap();
    params.subject_alt_names = vec![rcgen::SanType::URI(name)];
    let forged = params.signed_by(&key, &issuer).unwrap();
    let answer = renew(&world, forged.der(), &key.serialize_der()).await;
    assert_eq!(code(answer), ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn a_relay_is_client_and_server_and_a_new_key_is_known() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let secret = crate::enrolment::relay_token(&world, organization, site).await;
    let (_, request) = key_and_request();
    let (id, issued) = world
        .auth
        .relay_enrol(&secret, "box", "", "1", &request)
        .await
        .unwrap();
    let (_, leaf) = X509Certificate::from_der(&issued.certificate_der).unwrap();
    let usage = leaf.extended_key_usage().unwrap().unwrap().value.clone();
    assert!(usage.client_auth && usage.server_auth);
    let found = verified(&world, &issued.certificate_der, &issued.ca_der).unwrap();
    assert_eq!(found.kind, SubjectKind::Relay);
    let (key, request) = key_and_request();
    world
        .auth
        .certificate_renew(issued.subject, &request)
        .await
        .unwrap();
    let relay = world
        .auth
        .relay_get(&world.person(organization), id)
        .await
        .unwrap();
    let fingerprint = netpatch_tunnel::identity::key_fingerprint(&key).unwrap();
    assert_eq!(relay.key_fingerprint, fingerprint);
}

#[tokio::test]
async fn whoever_pinned_the_platform_root_accepts_the_edge_and_its_root_document() {
    let world = World::new().await;
    let organization = world.customer().await;
    let clock: SharedClock = world.clock.clone();
    let edge = world.auth.edge_identity().unwrap();
    let identity = ServerIdentity {
        chain: edge.chain.into_iter().map(Into::into).collect(),
        key: edge.key.into(),
        reset: None,
    };
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = EdgeEndpoint::bind(loopback, &identity, &clock, Limits::default()).unwrap();
    let endpoint = Arc::new(endpoint);
    let address = endpoint.local_addr().unwrap();
    let listening = endpoint.clone();
    let serving = tokio::spawn(async move {
        while let Some(handshake) = listening.accept().await {
            if let Ok(EdgeIncoming::Enrol(mut enrolment)) = handshake.open().await {
                let _ = enrolment.request().await;
                let _ = enrolment.answer(&EnrolAnswer { body: None }).await;
            }
        }
    });
    let ask = async |trust: PlatformTrust| {
        let target = EnrolTarget::Edge(address.to_string().into());
        let request = EnrolRequest {
            protocol: 1,
            body: None,
        };
        enrol(&target, &trust, &request, &clock, &Limits::default()).await
    };
    let fingerprint = world.auth.platform_fingerprint().unwrap();
    let root = world.auth.platform_root().unwrap();
    ask(PlatformTrust::Fingerprint(fingerprint)).await.unwrap();
    ask(PlatformTrust::Roots(vec![root.clone().into()]))
        .await
        .unwrap();
    assert!(
        ask(PlatformTrust::Fingerprint(Sha256::of(b"other")))
            .await
            .is_err()
    );
    let ca = world.auth.organization_ca(organization).await.unwrap();
    assert!(
        ask(PlatformTrust::Roots(vec![ca.clone().into()]))
            .await
            .is_err()
    );
    endpoint.close();
    serving.await.unwrap();

    let keys = RoleKeys {
        director: vec![1; 32],
        approval: vec![2; 32],
        ledger: vec![3; 32],
    };
    let envelope = world.auth.root_document(organization, &keys).await.unwrap();
    let (_, certificate) = X509Certificate::from_der(&root).unwrap();
    let spki = &certificate.public_key().subject_public_key.data;
    let pinned = [PublicKey::ed25519(spki).unwrap()];
    let document: Root = open_envelope(&envelope, &pinned, 1).unwrap();
    assert_eq!(document.organization_id, organization.to_string());
    assert_eq!(document.ca_der, ca);
    let of = |role: &str| -> Vec<Vec<u8>> {
        let keys = document.keys.iter().filter(|key| key.role == role);
        keys.map(|key| key.public_key.clone()).collect()
    };
    assert_eq!(of("director"), [keys.director]);
    assert_eq!(of("root"), [spki.to_vec()]);
}

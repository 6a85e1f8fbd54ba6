//! What relays fetch ahead, from what hosts report over the deployment to the edge's answer, over the real services.

use crate::host::{FIXED, REPOSITORY};
use crate::sandbox::{Sandbox, Topology};
use crate::the_loop::Setting;
use netpatch_auth::EnrolmentTokenCreate;
use netpatch_gateway::ingress::{PlatformParts, PlatformServices, Services as _};
use netpatch_protocol::site::{StagedWave, StagingPlan, StagingRequest};
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_types::{ErrorCode, Labels, OrganizationId, RelayId, Sha256};

async fn relay(setting: &Setting) -> RelayId {
    let auth = &setting.sandbox.roles.auth;
    let token = EnrolmentTokenCreate {
        site: setting.site,
        labels: Labels::new(),
        for_relay: true,
        max_uses: 1,
        ttl_seconds: 600,
    };
    let (_, text) = auth
        .enrolment_token_create(&setting.system(), token)
        .await
        .unwrap();
    let secret = text.split('.').nth(1).unwrap();
    let request = certificate_request(&generate_key().unwrap()).unwrap();
    let joined = auth.relay_enrol(secret, "box", "one", "1", &request).await;
    joined.unwrap().0
}

#[tokio::test]
async fn a_relay_learns_what_approved_waves_need_and_says_what_it_has() {
    let sandbox = Sandbox::new(Topology::Rpc).await;
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    let setting = Setting::within(sandbox).await;
    let relay = relay(&setting).await;
    let roles = &setting.sandbox.roles;
    let edge = PlatformServices::new(PlatformParts {
        auth: roles.auth.clone(),
        inventory: roles.inventory.clone(),
        policy: roles.policy.clone(),
        scheduler: roles.scheduler.clone(),
        reporting: roles.reporting.clone(),
        blobs: roles.blobs.clone(),
    });
    let ctx = setting.system();
    let organization = ctx.tenant().unwrap();
    let nothing = edge
        .staging(organization, relay, StagingRequest::default())
        .await
        .unwrap();
    assert_eq!(nothing.payloads, [], "nothing is deployed");
    let deployment = setting.deploy().await;
    let plan = edge
        .staging(organization, relay, StagingRequest::default())
        .await
        .unwrap();
    let mut names: Vec<_> = plan
        .payloads
        .iter()
        .map(|one| (one.repository.as_str(), one.path.as_str()))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            (REPOSITORY, "pool/libssl3.deb"),
            (REPOSITORY, "pool/openssl.deb")
        ]
    );
    for payload in &plan.payloads {
        assert_eq!(
            (payload.wave, payload.deployment_id.as_str()),
            (1, deployment.id.to_string().as_str())
        );
        assert!(payload.needed_at_ms > 0 && payload.size_bytes == 1000);
        let name = payload
            .path
            .trim_start_matches("pool/")
            .trim_end_matches(".deb");
        assert_eq!(payload.sha256, Sha256::of(name.as_bytes()).0);
    }
    // It says how far it is, and hears nothing new while the plan is the same.
    let wave = StagedWave {
        deployment_id: deployment.id.to_string(),
        wave: 1,
        payloads: 2,
        bytes: 2000,
        staged: 1,
        staged_bytes: 1000,
        ..StagedWave::default()
    };
    let request = StagingRequest {
        plan: plan.plan.clone(),
        waves: vec![wave],
    };
    let same = edge
        .staging(organization, relay, request.clone())
        .await
        .unwrap();
    assert_eq!(same, StagingPlan::default());
    let told = roles.auth.relay_get(&ctx, relay).await.unwrap().staging;
    assert_eq!(
        (told.len(), told[0].deployment, told[0].staged),
        (1, deployment.id, 1)
    );
    // What every host has, nobody needs.
    for host in &setting.hosts {
        host.report(&setting.sandbox, &ctx, FIXED).await;
    }
    let done = edge.staging(organization, relay, request).await.unwrap();
    assert_eq!(done.payloads, []);
    assert_ne!(done.plan, plan.plan);
    // A relay of another organization is none here.
    let other = OrganizationId(uuid::Uuid::now_v7());
    let refused = edge.staging(other, relay, StagingRequest::default()).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::NotFound);
}

//! Every root field, with arguments in which `$name` stands for an id.

/// A root field, its arguments and selection; `$name` in the arguments is the public id of that prefix.
pub(crate) type Case = (&'static str, &'static str, &'static str);

/// Root fields that take an id: with a foreign one they are null.
pub(crate) const QUERIES: [Case; 20] = [
    ("node", "id: $host", "{ id }"),
    ("nodes", "ids: [$host, $deploy]", "{ id }"),
    ("organization", "id: $org", "{ name }"),
    (
        "hosts",
        "first: 1, filter: {organizationId: $org}",
        "{ nodes { hostname } }",
    ),
    (
        "assets",
        "first: 1, filter: {organizationId: $org}",
        "{ nodes { hostname } }",
    ),
    (
        "findings",
        "first: 1, filter: {organizationId: $org}",
        "{ nodes { hostname } }",
    ),
    (
        "findingGroups",
        "by: PATCH, first: 1, filter: {organizationId: $org}",
        "{ nodes { hostCount } }",
    ),
    (
        "queue",
        "first: 1, filter: {organizationId: $org}",
        "{ nodes { hostCount } }",
    ),
    (
        "patches",
        "organizationId: $org, first: 1",
        "{ nodes { name } }",
    ),
    (
        "approvals",
        "first: 1, filter: {organizationId: $org}",
        "{ nodes { title } }",
    ),
    (
        "deployments",
        "first: 1, filter: {organizationId: $org}",
        "{ nodes { name } }",
    ),
    (
        "policies",
        "organizationId: $org, first: 1",
        "{ nodes { name } }",
    ),
    (
        "windows",
        "organizationId: $org, first: 1",
        "{ nodes { name } }",
    ),
    (
        "baselines",
        "organizationId: $org, first: 1",
        "{ nodes { name } }",
    ),
    (
        "exceptions",
        "organizationId: $org, first: 1",
        "{ nodes { name } }",
    ),
    ("hardwareRules", "organizationId: $org", "{ etag }"),
    ("riskWeights", "organizationId: $org", "{ version }"),
    (
        "policyExplain",
        "hostId: $host, patchId: $patch",
        "{ sentence }",
    ),
    ("organizations", "first: 100", "{ nodes { id } }"),
    (
        "viewer",
        "",
        "{ organizations(first: 100) { nodes { id } } }",
    ),
];

/// Root fields without an id of a tenant: they only may not ask for more than the caller's organizations.
pub(crate) const SHARED: [Case; 7] = [
    ("rateLimit", "", "{ maximum }"),
    (
        "advisory",
        "by: {cve: \"CVE-2026-1\"}",
        "{ name findings(first: 1) { nodes { hostname } } }",
    ),
    (
        "windowPreview",
        "input: {rrule: \"FREQ=DAILY\", startsAt: \"2026-01-01T02:00:00\", duration: \"PT2H\", timeZone: \"UTC\"}",
        "{ start }",
    ),
    ("feeds", "", "{ name }"),
    ("standards", "", "{ name }"),
    ("platform", "", "{ rootFingerprint }"),
    (
        "relayPreview",
        "organizationId: $org, claimCode: \"BCDF-GHJK\"",
        "{ serial }",
    ),
];

pub(crate) const ROLLOUT: &str = "rollout: {waves: [{hosts: 1}]}, rules: [], windowIds: []";

/// Mutations and their input without the key.
pub(crate) const MUTATIONS: [(&str, &str); 46] = [
    (
        "organizationCreate",
        "name: \"New\", kind: CUSTOMER, partnerId: $org",
    ),
    (
        "siteCreate",
        "organizationId: $org, name: \"s\", timeZone: \"UTC\"",
    ),
    (
        "siteUpdate",
        "id: $site, probesExposure: true, servesProxy: true, bandwidth: {kilobitsPerSecond: 2000, rules: []}, stagingHours: [], mirrors: [], usesDeltas: false, directAllowed: false",
    ),
    ("siteScanScheduleSet", "id: $site, cron: \"30 3 * * *\""),
    (
        "delegationCreate",
        "partnerId: $org, customerId: $org, roles: [OWNER], expiresAt: \"2026-03-01T00:00:00Z\"",
    ),
    (
        "delegationDecide",
        "id: $dlg, isApproved: true, reason: \"yes\"",
    ),
    (
        "userCreate",
        "organizationId: $org, email: \"new@example.com\", name: \"n\", roles: [AUDITOR]",
    ),
    (
        "apiClientCreate",
        "organizationId: $org, name: \"c\", permissions: [READ]",
    ),
    (
        "enrolmentTokenCreate",
        "organizationId: $org, siteId: $site",
    ),
    ("enrolmentTokenRevoke", "id: $enrol"),
    (
        "relayClaim",
        "organizationId: $org, siteId: $site, claimCode: \"BCDF-GHJK\", name: \"r\"",
    ),
    ("relayReplace", "id: $relay, claimCode: \"BCDF-GHJK\""),
    ("hostRevoke", "id: $host, reason: \"stolen\""),
    ("relayRevoke", "id: $relay, reason: \"stolen\""),
    (
        "hostUpdate",
        "id: $host, labels: [{key: \"tier\", value: \"server\"}]",
    ),
    (
        "assetUpsert",
        "organizationId: $org, id: $asset, fields: {hostId: $host, siteId: $site, owner: \"ada\"}",
    ),
    (
        "assetImport",
        "organizationId: $org, assets: [{hostname: \"a\", siteId: $site}]",
    ),
    ("assetDelete", "id: $asset"),
    ("hostScan", "organizationId: $org, hostIds: [$host]"),
    ("feedAccept", "organizationId: $org, name: \"kev\""),
    (
        "groupCreate",
        "organizationId: $org, name: \"g\", selector: [{key: \"tier\", values: [\"server\"]}]",
    ),
    (
        "windowCreate",
        "organizationId: $org, name: \"w\", rrule: \"FREQ=DAILY\", startsAt: \"2026-01-01T02:00:00\", duration: \"PT2H\"",
    ),
    (
        "windowUpdate",
        "id: $window, name: \"w\", rrule: \"FREQ=DAILY\", startsAt: \"2026-01-01T02:00:00\", duration: \"PT2H\"",
    ),
    ("policyCreate", "organizationId: $org, name: \"p\", ROLLOUT"),
    ("policyUpdate", "id: $policy, name: \"p\", ROLLOUT"),
    ("policyEvaluate", "id: $policy"),
    (
        "blockListSet",
        "organizationId: $org, package: \"linux-*\", reason: \"frozen\", isBlocked: true",
    ),
    (
        "baselineCreate",
        "organizationId: $org, name: \"b\", standard: OWN, rules: [{name: \"all\", withinDays: 14}]",
    ),
    (
        "baselineUpdate",
        "id: $baseline, name: \"b\", standard: CISA_BOD_2604",
    ),
    ("baselineArchive", "id: $baseline"),
    (
        "hardwareRulesSet",
        "organizationId: $org, rules: [{name: \"old\", reason: \"it hangs\", packages: [\"nvidia-*\"], cpusBelow: 4, memoryBelowMib: 1024}]",
    ),
    (
        "exceptionRequest",
        "organizationId: $org, name: \"late\", owner: \"Ada\", reason: \"no fix yet\", until: \"2027-01-01T00:00:00Z\", packages: [\"curl\"]",
    ),
    ("exceptionEnd", "id: $exception"),
    (
        "riskWeightsSet",
        "organizationId: $org, weights: [{kind: KEV, points: 40}, {kind: RANSOMWARE, points: 10}, {kind: EPSS, points: 20}, \
         {kind: CVSS, points: 10}, {kind: SSVC, points: 10}, {kind: EXPOSURE, points: 5}, {kind: CRITICALITY, points: 5}]",
    ),
    ("approvalRequest", "organizationId: $org, patchId: $patch"),
    (
        "approvalDecide",
        "id: $approval, verdict: APPROVE, reason: \"fine\"",
    ),
    (
        "deploymentCreate",
        "organizationId: $org, policyId: $policy, patchIds: [$patch]",
    ),
    ("deploymentPause", "id: $deploy"),
    ("deploymentResume", "id: $deploy, reason: \"again\""),
    ("deploymentHalt", "id: $deploy, reason: \"stop\""),
    ("deploymentCancel", "id: $deploy, reason: \"stop\""),
    ("complianceSnapshotTake", "organizationId: $org"),
    ("reportCreate", "organizationId: $org, kind: FINDINGS_CSV"),
    (
        "webhookCreate",
        "organizationId: $org, url: \"https://example.com\"",
    ),
    ("webhookDelete", "id: $webhook"),
    ("webhookReplay", "id: $delivery"),
];

/// Mutations that the own organization may refuse for another reason than the id (no code is open, not a partner).
pub(crate) const OTHERWISE_REFUSED: [&str; 6] = [
    "organizationCreate",
    "delegationCreate",
    "delegationDecide",
    "relayClaim",
    "relayReplace",
    "relayRevoke",
];

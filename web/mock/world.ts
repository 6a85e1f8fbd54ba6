import { Assets } from './assets.ts';
import { connection, type PageArgs } from './connection.ts';
import { Baselines, byDeadline, deadline, type DueArgs } from './deadlines.ts';
import { makeHosts, patches, sites, type MockHost, type MockPatch } from './fixtures.ts';
import { MockLedger } from './ledger.ts';
import { machine } from './machines.ts';
import { deliveries, noLimit, officeLimit, Setup } from './setup.ts';
import { runStatus, type Filter, type StoredApproval, type StoredDeployment, type StoredRun, type StoredWave } from './stored.ts';

const day = 86_400_000;
const severityOrder = ['CRITICAL', 'HIGH', 'UNKNOWN', 'MEDIUM', 'LOW'];

/** All state of the mock platform. Objects with methods: graphql-js calls them with the field's arguments. */
export class World {
  readonly now = Date.now();
  readonly hosts = makeHosts(this.now, 137);
  readonly assets = new Assets(this);
  readonly ledger = new MockLedger('netpatch/ledger/0198aaaa-0000-7000-8000-000000000001', '0198aaaa-0000-7000-8000-000000000001');
  readonly approvals: StoredApproval[] = [];
  readonly deployments: StoredDeployment[] = [];
  /** Sites that let their relays try what hosts listen on. */
  readonly probing = new Set(['site_berlin']);
  readonly strict = new Set<string>();
  readonly stagingHours = new Map<string, object[]>();
  readonly bandwidths = new Map<string, object>([['site_berlin', officeLimit]]);
  /** Sites that let their relays serve hosts without an agent. */
  readonly proxies = new Set<string>();
  readonly wholeFiles = new Set<string>();
  readonly mirrors = new Map<string, object[]>();
  /** What people made since the start, by organization; the third one begins empty. */
  readonly setups = new Map(['org_acme', 'org_msp', 'org_new'].map((id) => [id, new Setup((prefix) => this.fresh(prefix), this.probing, this.bandwidths, this.proxies, this.stagingHours, this.wholeFiles, this.mirrors)] as const));
  readonly baselines = new Map(['org_acme', 'org_msp', 'org_new'].map((id) => [id, new Baselines((prefix) => this.fresh(prefix))] as const));
  readonly reports: { id: string; kind: string; createdAt: string }[] = [];
  private readonly answers = new Map<string, unknown>();
  private counter = 0;

  constructor() {
    const tess = { kind: 'USER', name: 'Tess Technician' };
    const otto = { kind: 'USER', name: 'Otto Approver' };
    const [openssl, sudo, libxml2, , git] = patches;
    if (!openssl || !sudo || !libxml2 || !git) throw new Error('the fixtures changed');
    this.approvals.push(
      { id: 'approval_0001', patch: openssl, status: 'AWAITING', requestedBy: tess, requestedAt: this.ago(3 * 3_600_000), required: 1, decisions: [] },
      { id: 'approval_0002', patch: libxml2, status: 'AWAITING', requestedBy: otto, requestedAt: this.ago(5 * 3_600_000), required: 2, decisions: [] },
      {
        id: 'approval_0003', patch: sudo, status: 'APPROVED', requestedBy: tess, requestedAt: this.ago(2 * day), required: 1,
        decisions: [{ by: otto, verdict: 'APPROVE', reason: 'exploited, canary went well', at: this.ago(2 * day - 600_000) }],
      },
      {
        id: 'approval_0004', patch: git, status: 'DECLINED', requestedBy: tess, requestedAt: this.ago(6 * day), required: 1,
        decisions: [{ by: otto, verdict: 'DECLINE', reason: 'release freeze until Monday', at: this.ago(5 * day) }],
      },
    );
    this.deployments.push(this.makeDeployment('sudo to all sites', [sudo], 'RUNNING', 2));
    this.deployments.push(this.makeDeployment('libxml2 on canaries', [libxml2], 'HALTED', 1));
    this.deployments.push(this.makeDeployment('git, October', [git], 'COMPLETED', 3));
    this.baselinesOf('org_acme').create({ id: '', idempotencyKey: '', name: 'Federal', standard: 'CISA_BOD_2604' });
    const said = ['organization.created', 'site.created', 'host.enrolled', 'policy.created', 'approval.requested', 'approval.decided', 'order.signed', 'run.ended', 'run.ended', 'halt.signed', 'run.ended'];
    for (const [at, action] of said.entries()) {
      this.ledger.append({ at: this.ago((said.length - at) * 3_600_000), action, actor: at % 3 ? tess : { kind: 'SYSTEM', name: 'netpatch' }, subject: `deployment:${at}`, details: { reason: 'mock' } });
    }
  }

  ago(ms: number) {
    return new Date(this.now - ms).toISOString();
  }

  /** The same key gives the same answer. */
  once<T>(key: string, act: () => T): T {
    if (!this.answers.has(key)) this.answers.set(key, act());
    return this.answers.get(key) as T;
  }

  fresh(prefix: string) {
    this.counter += 1;
    return `${prefix}_new${this.counter}`;
  }

  private makeDeployment(name: string, what: MockPatch[], status: string, seed: number): StoredDeployment {
    const id = `deployment_000${seed}`;
    const targets = this.hosts.filter((host) => host.missing.some((patch) => what.includes(patch)));
    const sizes = [2, 10, Math.max(0, targets.length - 12)];
    let from = 0;
    const waves = sizes.map((size, at) => {
      const part = targets.slice(from, from + size);
      from += size;
      const isDone = status === 'COMPLETED' || (status !== 'HALTED' && at === 0);
      const state = isDone ? 'PASSED' : at === (status === 'HALTED' ? 0 : 1) ? (status === 'HALTED' ? 'FAILED' : 'OPEN') : 'WAITING';
      const runs = state === 'WAITING' ? [] : part.map((host, index) => ({ id: `run_${seed}_${at}_${index}`, host, status: runStatus(state, index), lastEventAt: this.ago(index * 61_000) }));
      return { id: `wave_${seed}_${at + 1}`, ordinal: at + 1, status: state, runs };
    });
    const reason = status === 'HALTED' ? 'wave 1: 1 of 2 runs failed, at most 0 may fail' : status === 'RUNNING' ? 'wave 2 is open' : '';
    return { id, name, status, reason, revision: 1, patches: what, waves, createdAt: this.ago(seed * 3_600_000) };
  }

  /** The platform at work: one run of each open wave ends. Called by the server's clock. */
  tick() {
    let changed = false;
    for (const deployment of this.deployments.filter((one) => one.status === 'RUNNING')) {
      for (const wave of deployment.waves.filter((one) => one.status === 'OPEN')) {
        const next = wave.runs.find((run) => !['SUCCEEDED', 'FAILED', 'ROLLED_BACK'].includes(run.status));
        if (next) {
          next.status = 'SUCCEEDED';
          next.lastEventAt = new Date().toISOString();
          changed = true;
        }
      }
    }
    return changed;
  }

  // --- what GraphQL sees -------------------------------------------------------------------------------------------

  patch = (patch: MockPatch) => {
    const affected = this.hosts.filter((host) => host.missing.includes(patch));
    return {
      __typename: 'Patch',
      id: `patch_${patch.package}`,
      name: patch.package,
      release: 'debian bookworm',
      fixedVersion: patch.version,
      classification: 'SECURITY',
      severity: patch.severity,
      advisoryNames: [patch.advisory],
      cvssScore: patch.cvss,
      epss: patch.epss,
      isKnownExploited: patch.kev,
      originLabel: 'Debian-Security',
      firstSeenAt: this.ago((patches.indexOf(patch) + 1) * 2 * day),
      hostCount: affected.length,
      supersededBy: null,
    };
  };

  risk(patch: MockPatch) {
    const cvss = patch.cvss ?? 7;
    const terms = [
      { name: 'severity', input: patch.cvss === null ? `no CVSS, ${patch.severity.toLowerCase()} taken as 7.0` : `CVSS ${patch.cvss}`, points: cvss * 5 },
      { name: 'known exploited', input: patch.kev ? 'in the KEV list' : 'not in the KEV list', points: patch.kev ? 25 : 0 },
      { name: 'exploit probability', input: patch.epss === null ? 'no EPSS' : `EPSS ${(patch.epss * 100).toFixed(1)} %`, points: (patch.epss ?? 0) * 15 },
      { name: 'reach', input: `${Math.round(patch.reach * 100)} % of hosts`, points: patch.reach * 10 },
    ];
    return { score: terms.reduce((sum, term) => sum + term.points, 0), terms, missing: patch.cvss === null ? ['CVSS', 'EPSS'] : [] };
  }

  advisory = (patch: MockPatch) => ({
    __typename: 'Advisory',
    id: `advisory_${patch.advisory}`,
    name: patch.advisory,
    cves: [patch.cve],
    vendorRefs: [patch.advisory],
    summary: `A flaw in ${patch.package} lets an attacker do what they should not be able to do.`,
    severity: patch.severity,
    cvssScore: patch.cvss,
    cvssVector: patch.cvss === null ? null : 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    epss: patch.epss,
    isKnownExploited: patch.kev,
    isRansomware: false,
    publishedAt: this.ago(14 * day),
    feed: 'debian-security-tracker',
    url: `https://security-tracker.debian.org/tracker/${patch.cve}`,
    findings: (args: PageArgs & { filter?: Filter }) => connection(this.findings({ ...args.filter, advisoryId: `advisory_${patch.advisory}` }), args),
  });

  finding = (host: MockHost, patch: MockPatch) => ({
    __typename: 'Finding',
    id: `finding_${host.id}_${patch.package}`,
    host: () => this.host(host),
    hostname: host.hostname,
    advisory: () => this.advisory(patch),
    component: {
      __typename: 'Component', id: `component_${patch.package}`, purl: `pkg:deb/debian/${patch.package}@${patch.installed}`, name: patch.package,
      version: patch.installed, arch: 'amd64', source: patch.package, sourceVersion: patch.installed,
    },
    applicability: 'INSTALLABLE',
    patch: () => this.patch(patch),
    offer: { version: patch.version, origin: 'Debian', suite: 'bookworm-security', label: 'Debian-Security' },
    risk: this.risk(patch),
    evidence: {
      feed: 'debian-security-tracker', record: patch.cve, recordDigest: 'ab'.repeat(32), rule: 'source package, dpkg order', installedVersion: patch.installed,
      fixedVersion: patch.version, comparator: '<',
    },
    firstSeenAt: this.seenAt(patch),
    resolvedAt: null,
    remediationDeadline: deadline(patch, this.seenAt(patch), this.now).dueAt,
    deadline: deadline(patch, this.seenAt(patch), this.now),
    isOverdue: deadline(patch, this.seenAt(patch), this.now).isOverdue,
  });

  findings(filter: Filter = {}, orderBy: DueArgs['orderBy'] = null) {
    const rows = this.filtered({ ...filter, severity: undefined })
      .filter((host) => !filter.hostId || host.id === filter.hostId)
      .flatMap((host) => host.missing.map((patch) => ({ host, patch })))
      .filter(({ patch }) => !filter.severity?.eq || patch.severity === filter.severity.eq)
      .filter(({ patch }) => !filter.patchId || `patch_${patch.package}` === filter.patchId)
      .filter(({ patch }) => !filter.advisoryId || `advisory_${patch.advisory}` === filter.advisoryId)
      .filter(({ patch }) => !filter.cve || patch.cve === filter.cve.toUpperCase())
      .filter(() => !filter.applicability || filter.applicability.includes('INSTALLABLE'))
      .filter(({ patch }) => filter.isKnownExploited === undefined || filter.isKnownExploited === null || patch.kev === filter.isKnownExploited)
      .sort((a, b) => this.risk(b.patch).score - this.risk(a.patch).score)
      .map(({ host, patch }) => this.finding(host, patch));
    return byDeadline(rows, { filter, orderBy });
  }

  /** When a patch's findings were seen first. */
  seenAt(patch: MockPatch) {
    return this.ago((patches.indexOf(patch) + 1) * 2 * day);
  }

  /** Findings counted together, the group with the highest risk first. */
  groups(by: string, filter: Filter = {}) {
    const groups = new Map<string, ReturnType<typeof this.finding>[]>();
    for (const finding of this.findings(filter)) {
      const key = by === 'HOST' ? finding.host().id : by === 'PATCH' ? finding.patch().id : finding.advisory().id;
      groups.set(key, [...(groups.get(key) ?? []), finding]);
    }
    return [...groups.values()].flatMap((all) => {
      const [first] = all;
      if (!first) return [];
      return {
        __typename: 'FindingGroup',
        advisory: by === 'ADVISORY' ? first.advisory() : null,
        patch: by === 'PATCH' ? first.patch() : null,
        host: by === 'HOST' ? first.host() : null,
        organization: by === 'ADVISORY' ? null : () => this.acme(),
        hostCount: new Set(all.map((one) => one.hostname)).size,
        findingCount: all.length,
        score: first.risk.score,
        severity: first.advisory().severity,
        isKnownExploited: all.some((one) => one.advisory().isKnownExploited),
        firstSeenAt: first.firstSeenAt,
      };
    });
  }

  filtered(filter: Filter | null | undefined): MockHost[] {
    if (!filter) return this.hosts;
    if (filter.organizationId && filter.organizationId !== 'org_acme') return [];
    const name = filter.hostname?.contains?.toLowerCase();
    return this.hosts.filter(
      (host) =>
        (!name || host.hostname.includes(name)) &&
        (!filter.site?.eq || host.site.id === filter.site.eq) &&
        (!filter.severity?.eq || host.missing.some((patch) => patch.severity === filter.severity?.eq)) &&
        (!filter.isRebootPending || host.rebootPending) &&
        (!filter.groupId || host.hostname.startsWith('web')) &&
        (!filter.isUnknown || this.isUnknown(host)) &&
        (!filter.isNeverScanned || !host.scannedAt) &&
        (!filter.notSeenSince || !host.seenAt || host.seenAt < filter.notSeenSince),
    );
  }

  isUnknown(host: MockHost) {
    return !host.scannedAt || !host.seenAt || Date.parse(host.seenAt) < this.now - 7 * day;
  }

  site = (site: (typeof sites)[number]) => ({
    __typename: 'Site',
    id: site.id,
    name: site.name,
    timeZone: site.timeZone,
    directAllowed: () => !this.strict.has(site.id),
    probesExposure: () => this.probing.has(site.id),
    stagingHours: () => this.stagingHours.get(site.id) ?? [],
    bandwidth: () => this.bandwidths.get(site.id) ?? noLimit,
    servesProxy: () => this.proxies.has(site.id),
    usesDeltas: () => !this.wholeFiles.has(site.id),
    upstreams: ['http://deb.example.com/debian', 'http://security.example.com/debian'],
    mirrors: () => this.mirrors.get(site.id) ?? [],
    organization: () => this.acme(),
    relays: () => (site.relay ? [this.relay(site)] : []),
    traffic: { __typename: 'SiteTraffic', bytesServed: site.relay ? '48211000000' : '0', bytesFetched: site.relay ? '6120000000' : '0', savedBytes: site.relay ? '42091000000' : '0', deltaSavedBytes: site.relay ? '3310000000' : '0', storedPayloads: site.relay ? 12 : 0, cacheHitRatio: site.relay ? 0.87 : null },
    hosts: (args: PageArgs) => connection(this.hosts.filter((host) => host.site === site).map(this.host), args),
  });

  relay(site: (typeof sites)[number]) {
    return {
      __typename: 'Relay', id: `relay_${site.id.slice(5)}`, name: `relay-${site.id.slice(5)}`, status: site.relay, lastSeenAt: this.ago(20_000), version: '0.1.0', model: 'Small box R2', serial: 'SB-2103-0007',
      cacheHitRatio: 0.87, bytesServed: '48211000000', bytesFetched: '6120000000', cacheBytes: '15400000000', sessions: 41, staging: () => this.staged(),
      site: () => this.site(site),
    };
  }

  /** What relays have fetched ahead: most of what the running deployment needs. */
  staged() {
    const running = this.deployments.find((one) => one.status === 'RUNNING');
    if (!running) return [];
    const neededAt = new Date(this.now + 8 * 3_600_000).toISOString();
    return [{ __typename: 'StagedWave', wave: 2, payloads: 3, bytes: '5400000', staged: 2, stagedBytes: '3900000', neededAt, problem: null, deployment: () => this.deployment(running) }];
  }

  host = (host: MockHost) => {
    const open = severityOrder.map((severity) => ({ severity, count: host.missing.filter((patch) => patch.severity === severity).length }));
    const total = host.missing.length;
    const state = this.isUnknown(host) ? 'UNKNOWN_STALE' : total > 0 ? 'NON_COMPLIANT' : host.rebootPending ? 'REBOOT_PENDING' : 'COMPLIANT';
    const reasons: Record<string, string> = {
      UNKNOWN_STALE: host.scannedAt ? 'It has not been seen for more than 7 days.' : 'It has never been scanned.',
      NON_COMPLIANT: `${total} ${total === 1 ? 'finding is' : 'findings are'} open: ${open.filter((one) => one.count > 0).map((one) => `${one.count} ${one.severity.toLowerCase()}`).join(', ')}.`,
      REBOOT_PENDING: 'It is updated, but has to be rebooted.',
      COMPLIANT: 'No finding is open.',
    };
    return {
      __typename: 'Host',
      id: host.id,
      hostname: host.hostname,
      organization: () => this.acme(),
      site: () => this.site(host.site),
      state,
      stateReason: reasons[state],
      osName: 'Debian GNU/Linux',
      osRelease: 'bookworm',
      arch: 'amd64',
      kernel: '6.1.0-40-amd64',
      timeZone: host.site.timeZone,
      labels: [{ key: 'tier', value: 'production' }],
      ring: host.ring,
      groups: host.hostname.startsWith('web') ? [{ __typename: 'Group', id: 'group_web', name: 'Web servers', selector: [] }] : [],
      registeredAt: this.ago(90 * day),
      lastSeenAt: host.seenAt,
      lastScanAt: host.scannedAt,
      scanProblem: null,
      isRebootPending: host.rebootPending,
      isAuditOnly: false,
      isQuarantined: false,
      relay: () => (host.site.relay ? this.relay(host.site) : null),
      openFindings: open,
      etag: '1',
      asset: () => this.assets.of(host.id),
      ...machine(host, host.site.id === 'site_berlin' ? { at: this.ago(3 * 3_600_000), relay: () => this.relay(host.site) } : undefined),
      findings: (args: PageArgs & { filter?: Filter }) => connection(this.findings({ ...args.filter, hostId: host.id }), args),
      components: (args: PageArgs & { nameContains?: string | null }) =>
        connection(
          Array.from({ length: 240 }, (_, at) => ({ __typename: 'Component', id: `component_${host.id}_${at}`, purl: `pkg:deb/debian/lib${at}@1.${at}`, name: `lib${at}`, version: `1.${at}-1`, arch: 'amd64', source: `lib${at}`, sourceVersion: `1.${at}-1` }))
            .filter((one) => !args.nameContains || one.name.includes(args.nameContains)),
          args,
        ),
      runs: (args: PageArgs) => connection(this.allRuns().filter(({ run }) => run.host === host).map(({ run, wave, deployment }) => this.run(run, wave, deployment)), args),
    };
  };

  cells() {
    return sites.flatMap((site) => {
      const here = this.hosts.filter((host) => host.site === site);
      const unknown = here.filter((host) => this.isUnknown(host)).length;
      return severityOrder.map((severity) => {
        const has = (host: MockHost) => host.missing.some((patch) => patch.severity === severity);
        const exposed = here.filter((host) => !this.isUnknown(host) && has(host)).length;
        const findings = here.reduce((sum, host) => sum + host.missing.filter((patch) => patch.severity === severity).length, 0);
        return { site: () => this.site(site), severity, hosts: here.length, compliant: here.length - unknown - exposed, unknown, findings };
      });
    });
  }

  snapshot(daysAgo: number) {
    const cells = this.cells().map((cell) => ({ ...cell, compliant: Math.max(0, cell.compliant - daysAgo * 2) }));
    return { __typename: 'ComplianceSnapshot', id: `snapshot_${daysAgo}`, asOf: daysAgo === 0 ? new Date().toISOString() : this.ago(daysAgo * day), isProvisional: daysAgo === 0, label: 'daily', cells };
  }

  allRuns() {
    return this.deployments.flatMap((deployment) => deployment.waves.flatMap((wave) => wave.runs.map((run) => ({ run, wave, deployment }))));
  }

  run = (run: StoredRun, wave: StoredWave, deployment: StoredDeployment) => ({
    __typename: 'Run',
    id: run.id,
    host: () => this.host(run.host),
    wave: () => this.wave(wave, deployment),
    deployment: () => this.deployment(deployment),
    status: run.status,
    isSilent: run.status === 'STAGING' && run.id.endsWith('_5'),
    isConfirmed: run.status === 'SUCCEEDED' ? true : null,
    attempts: 1,
    error: ['FAILED', 'ROLLED_BACK'].includes(run.status)
      ? {
          code: 'disk_full',
          message: 'The package manager stopped: no space left on /var.',
          remediation: 'Free at least 214 MB on /var, then start the run again.',
          isRetryable: true,
          evidence: ['dpkg: error processing archive sudo_1.9.13p3-1+deb12u2_amd64.deb (--unpack):', ' cannot copy extracted data: failed to write (No space left on device)'],
        }
      : null,
    startedAt: this.ago(600_000),
    endedAt: ['SUCCEEDED', 'FAILED', 'ROLLED_BACK'].includes(run.status) ? run.lastEventAt : null,
    lastEventAt: run.lastEventAt,
    bytesFromRelay: '1843200',
    bytesFromOrigin: '0',
    events: () =>
      ['OFFERED', 'ACCEPTED', 'STAGING', 'INSTALLING', run.status].map((status, at) => ({
        step: at + 1, status, at: this.ago(600_000 - at * 60_000), message: `the run is ${status.toLowerCase()}`, cause: status === 'FAILED' ? 'disk_full' : null, evidence: [],
      })),
  });

  wave = (wave: StoredWave, deployment: StoredDeployment): object => {
    const total = this.hosts.filter((host) => host.missing.some((patch) => deployment.patches.includes(patch))).length;
    const sizes = [2, 10, Math.max(0, total - 12)];
    const size = wave.runs.length || (sizes[wave.ordinal - 1] ?? 0);
    const count = (...states: string[]) => wave.runs.filter((run) => states.includes(run.status)).length;
    const succeeded = count('SUCCEEDED');
    const failed = count('FAILED', 'ROLLED_BACK');
    const rolledBack = count('ROLLED_BACK');
    const running = wave.runs.length - succeeded - failed;
    return {
      __typename: 'Wave', id: wave.id, ordinal: wave.ordinal, status: wave.status, reason: wave.status === 'FAILED' ? '1 of 2 runs failed, at most 0 may fail' : '',
      counts: { total: size, pending: size - wave.runs.length, running, succeeded, failed, rolledBack, skipped: 0, rebootPending: 0, silent: 0 },
      openedAt: wave.runs.length > 0 ? this.ago(700_000) : null,
      endedAt: null,
      deployment: () => this.deployment(deployment),
      runs: (args: PageArgs) => connection(wave.runs.map((run) => this.run(run, wave, deployment)), args),
    };
  };

  deployment = (deployment: StoredDeployment): object => ({
    __typename: 'Deployment',
    id: deployment.id,
    name: deployment.name,
    status: deployment.status,
    reason: deployment.reason,
    policy: () => this.policy(),
    approval: null,
    patches: () => deployment.patches.map(this.patch),
    waves: () => deployment.waves.map((wave) => this.wave(wave, deployment)),
    createdBy: { kind: 'USER', name: 'Tess Technician' },
    createdAt: deployment.createdAt,
    startedAt: deployment.createdAt,
    endedAt: null,
    notAfter: new Date(this.now + 3 * day).toISOString(),
    etag: String(deployment.revision),
    organization: () => this.acme(),
    runs: (args: PageArgs) => connection(deployment.waves.flatMap((wave) => wave.runs.map((run) => this.run(run, wave, deployment))), args),
  });

  approval = (approval: StoredApproval): object => ({
    __typename: 'Approval',
    id: approval.id,
    title: `${approval.patch.package} ${approval.patch.version} for all hosts`,
    subject: () => this.patch(approval.patch),
    status: approval.status,
    isAutomatic: false,
    policy: () => this.policy(),
    rule: 'security needs people',
    requestedBy: approval.requestedBy,
    requestedAt: approval.requestedAt,
    required: approval.required,
    decisions: approval.decisions,
    contentDigest: 'c0ffee'.repeat(10).slice(0, 60) + 'abcd',
    expiresAt: new Date(this.now + 30 * day).toISOString(),
    isLogged: approval.status !== 'AWAITING',
    group: null,
    organization: () => this.acme(),
  });

  queue(filter?: Filter, orderBy: DueArgs['orderBy'] = null) {
    if (filter?.organizationId && filter.organizationId !== 'org_acme') return [];
    const rows = patches
      .filter((patch) => !filter?.severity?.eq || patch.severity === filter.severity.eq)
      .map((patch) => {
        const affected = this.filtered({ ...filter, severity: undefined }).filter((host) => host.missing.includes(patch));
        const approval = this.approvals.find((one) => one.patch === patch);
        return {
          patch: this.patch(patch), organization: () => this.acme(), hostCount: affected.length, findingCount: affected.length, risk: this.risk(patch),
          firstSeenAt: this.seenAt(patch), deadline: deadline(patch, this.seenAt(patch), this.now), approval: approval ? () => this.approval(approval) : null,
        };
      })
      .filter((item) => item.hostCount > 0)
      .sort((a, b) => b.risk.score - a.risk.score);
    return byDeadline(rows, { filter, orderBy });
  }

  /** What an organization follows and how it counts. */
  baselinesOf(organization: string): Baselines {
    const found = this.baselines.get(organization);
    if (!found) throw new Error(`there is no organization ${organization}`);
    return found;
  }

  window = () => ({
    __typename: 'MaintenanceWindow', id: 'window_0001', etag: '1', name: 'Tuesday night', rrule: 'FREQ=MONTHLY;BYDAY=2TU', startsAt: '2026-01-13T22:00:00', duration: 'PT4H', offsetDays: 2,
    timeZone: null, isBlackout: false, nextStart: new Date(this.now + 2 * day).toISOString(),
    nextStarts: ({ count }: { count: number }) => Array.from({ length: count }, (_, at) => new Date(this.now + (2 + 30 * at) * day).toISOString()),
  });

  policy = () => ({
    __typename: 'Policy', id: 'policy_0001', etag: '1', name: 'Servers', isEnabled: true, isAutomatic: false, group: null,
    sentence: 'Low patches are approved without a person. Critical, high patches wait for one person’s approval. Everything else waits for a person. What is approved goes when a person creates a deployment, to all hosts in 3 waves (2 hosts, then 10 hosts, then the rest). The next window is Tuesday night.',
    rules: [
      { name: 'low is fine', classifications: ['SECURITY'], severities: ['LOW'], cvssAtLeast: null, epssAtLeast: null, isKnownExploited: null, packages: [], originLabels: [], decision: 'APPROVE', requiredApprovals: null, deferSeconds: null },
      { name: 'security needs people', classifications: ['SECURITY'], severities: ['CRITICAL', 'HIGH'], cvssAtLeast: null, epssAtLeast: null, isKnownExploited: null, packages: [], originLabels: [], decision: 'REQUIRE_APPROVALS', requiredApprovals: 1, deferSeconds: null },
    ],
    rollout: { waves: [{ hosts: 2, percent: null }, { hosts: 10, percent: null }, { hosts: null, percent: 100 }], minSuccessPercent: 95, maxFailed: 0, soakSeconds: 3600, silentAfterSeconds: 3600, leaseSeconds: 900, requiresRollback: false, rebootsInWindow: true },
    windows: [this.window()],
  });

  acme = (): object => ({
    __typename: 'Organization', id: 'org_acme', kind: 'CUSTOMER', name: 'Acme Instruments', slug: 'acme',
    sites: (args: PageArgs) => connection([...sites.map(this.site), ...this.made('org_acme').sites], args),
    relays: (args: PageArgs) => connection([...sites.filter((site) => site.relay).map((site) => this.relay(site)), ...this.made('org_acme').relays], args),
    hosts: (args: PageArgs & { filter?: Filter }) => connection(this.filtered(args.filter).map(this.host), args),
    groups: [{ __typename: 'Group', id: 'group_web', name: 'Web servers', selector: [] }],
    delegations: () => [
      { __typename: 'Delegation', id: 'delegation_0001', partner: this.partner(), customer: { __typename: 'Organization', id: 'org_acme' }, roles: ['TECHNICIAN'], expiresAt: new Date(this.now + 200 * day).toISOString(), status: 'ACTIVE' },
    ],
    compliance: () => this.snapshot(0),
    complianceHistory: (args: PageArgs) => connection([0, 1, 2, 3, 4, 5, 6].map((one) => this.snapshot(one)), args),
    ledger: (args: PageArgs & { filter?: { action?: string[]; subject?: string } }) =>
      connection(
        this.ledger.entries.map((_, at) => this.ledger.entry(at)).toReversed().filter((entry) => !args.filter?.action?.length || args.filter.action.includes(entry?.action ?? '')),
        args,
      ),
    ledgerCheckpoint: () => this.ledger.checkpoint(),
    ledgerConsistency: ({ from, to }: { from: string; to?: string | null }) => this.ledger.consistency(Number(from), to ? Number(to) : undefined),
    reports: (args: PageArgs) => connection(this.reports.map(this.report), args),
    blockList: [],
    webhooks: [this.webhook(), ...this.made('org_acme').webhooks],
    enrolmentTokens: this.made('org_acme').tokens,
    members: [
      { name: 'Otto Approver', email: 'otto@acme.example', roles: ['OWNER', 'APPROVER'], isActive: true },
      { name: 'Ada Auditor', email: 'ada@auditors.example', roles: ['AUDITOR'], isActive: false },
      ...this.made('org_acme').members,
    ],
  });

  /** A customer that has just begun. */
  newcomer = (): object => {
    const made = this.made('org_new');
    return {
      __typename: 'Organization', id: 'org_new', kind: 'CUSTOMER', name: 'New Bakery', slug: 'new', delegations: [], groups: [], blockList: [],
      compliance: { ...this.snapshot(0), id: 'snapshot_new', cells: [] },
      sites: (args: PageArgs) => connection(made.sites, args), relays: (args: PageArgs) => connection(made.relays, args), hosts: (args: PageArgs) => connection([], args),
      complianceHistory: (args: PageArgs) => connection([], args), ledger: (args: PageArgs) => connection([], args), ledgerCheckpoint: null, ledgerConsistency: null,
      reports: (args: PageArgs) => connection([], args), webhooks: made.webhooks, enrolmentTokens: made.tokens, members: made.members,
    };
  };

  webhook = (): object => ({
    __typename: 'Webhook', id: 'webhook_0001', url: 'https://hooks.acme.example/netpatch', events: ['approval.requested', 'deployment.run.failed', 'finding.critical'], disabledReason: null,
    createdAt: this.ago(20 * day), deliveries: (args: PageArgs) => connection(deliveries(this.now), args),
  });

  made(organization: string): Setup {
    const found = this.setups.get(organization);
    if (!found) throw new Error(`there is no organization ${organization}`);
    return found;
  }

  /** Sites that are there from the start, and those that were made. */
  sitesOf(organization: string): { id: string }[] {
    return [...(organization === 'org_acme' ? sites.map(this.site) : []), ...this.made(organization).sites];
  }

  report = (report: { id: string; kind: string; createdAt: string }) => ({
    __typename: 'Report', id: report.id, kind: report.kind, status: 'READY', message: null, fileName: `${report.kind.toLowerCase()}.zip`, url: `/reports/${report.id}`, sha256: 'd1'.repeat(32),
    sizeBytes: '48211', createdAt: report.createdAt, expiresAt: new Date(this.now + 7 * day).toISOString(),
  });

  partner = (): object => ({
    __typename: 'Organization', id: 'org_msp', kind: 'PARTNER', name: 'North Sea MSP', slug: 'north-sea', delegations: [], compliance: { ...this.snapshot(0), id: 'snapshot_msp', cells: [] },
    sites: (args: PageArgs) => connection([], args), relays: (args: PageArgs) => connection([], args), hosts: (args: PageArgs) => connection([], args), groups: [],
    complianceHistory: (args: PageArgs) => connection([], args), ledger: (args: PageArgs) => connection([], args), ledgerCheckpoint: null, ledgerConsistency: null,
    reports: (args: PageArgs) => connection([], args), blockList: [], webhooks: this.made('org_msp').webhooks, enrolmentTokens: this.made('org_msp').tokens, members: this.made('org_msp').members,
  });
}

import { randomBytes } from 'node:crypto';
import { connection, type PageArgs } from './connection.ts';

const day = 86_400_000;

interface Errors {
  userErrors: object[];
}

type Payload = Errors & Record<string, unknown>;

type Made = Record<string, unknown> & { id: string };

/** What an organization's people have made since the mock platform began: sites, tokens, windows, policies, webhooks, people. */
export class Setup {
  readonly sites: Made[] = [];
  readonly relays: Made[] = [];
  readonly tokens: Made[] = [];
  readonly windows: Made[] = [];
  readonly policies: Made[] = [];
  readonly webhooks: Made[] = [];
  readonly members: Record<string, unknown>[] = [];

  constructor(
    private readonly fresh: (prefix: string) => string,
    private readonly probing: Set<string>,
    private readonly bandwidths: Map<string, object>,
    private readonly proxies: Set<string>,
    private readonly stagingHours: Map<string, object[]>,
    private readonly wholeFiles: Set<string>,
    private readonly mirrors: Map<string, object[]>,
  ) {}

  site(input: { name: string; timeZone: string; directAllowed?: boolean; upstreams?: string[] }): Errors & { site: object } {
    const id = this.fresh('site');
    const site = {
      __typename: 'Site', id, name: input.name, timeZone: input.timeZone, directAllowed: input.directAllowed ?? true, upstreams: input.upstreams ?? [], probesExposure: () => this.probing.has(id),
      servesProxy: () => this.proxies.has(id),
      usesDeltas: () => !this.wholeFiles.has(id),
      mirrors: () => this.mirrors.get(id) ?? [],
      stagingHours: () => this.stagingHours.get(id) ?? [],
      bandwidth: () => this.bandwidths.get(id) ?? noLimit,
      hosts: (args: PageArgs) => connection([], args), relays: () => this.relays.filter((relay) => relay['siteId'] === id),
      traffic: { __typename: 'SiteTraffic', bytesServed: '0', bytesFetched: '0', savedBytes: '0', deltaSavedBytes: '0', storedPayloads: 0, cacheHitRatio: null },
    };
    this.sites.push(site);
    return { site, userErrors: [] };
  }

  relay(input: { name: string; siteId: string }): Payload {
    const relay = {
      __typename: 'Relay', id: this.fresh('relay'), name: input.name, siteId: input.siteId, status: 'OFFLINE', lastSeenAt: null, version: waiting.version, model: waiting.model, serial: waiting.serial, keyFingerprint: waiting.keyFingerprint,
      address: null, cacheHitRatio: null, bytesServed: '0', bytesFetched: '0', cacheBytes: '0', sessions: 0, staging: [], site: () => this.sites.find((site) => site.id === input.siteId) ?? null,
    };
    this.relays.push(relay);
    return { relay, model: waiting.model, serial: waiting.serial, keyFingerprint: waiting.keyFingerprint, userErrors: [] };
  }

  token(input: { maxUses?: number; ttlSeconds?: number; forRelay?: boolean; labels?: object[] }, site: object | null): Payload {
    const enrolmentToken = {
      __typename: 'EnrolmentToken', id: this.fresh('enrol'), site, uses: 0, maxUses: input.maxUses ?? 1, isRevoked: false, isForRelay: input.forRelay ?? false, labels: input.labels ?? [],
      expiresAt: new Date(Date.now() + (input.ttlSeconds ?? 86_400) * 1000).toISOString(),
    };
    this.tokens.unshift(enrolmentToken);
    return { enrolmentToken, token: `np1.${randomBytes(24).toString('base64url')}.${waiting.keyFingerprint}`, userErrors: [] };
  }

  window(input: { name: string; rrule: string; startsAt: string; duration: string; offsetDays?: number; timeZone?: string; isBlackout?: boolean }): Errors & { window: object } {
    const window = {
      ...input, __typename: 'MaintenanceWindow', id: this.fresh('window'), etag: '1', offsetDays: input.offsetDays ?? 0, timeZone: input.timeZone ?? null, isBlackout: input.isBlackout ?? false,
      nextStart: occurrences(input, 1)[0]?.start ?? null, nextStarts: ({ count }: { count: number }) => occurrences(input, count).map((one) => one.start),
    };
    this.windows.push(window);
    return { window, userErrors: [] };
  }

  policy(input: { name: string; rules: Record<string, unknown>[]; rollout: Record<string, unknown>; windowIds: string[]; isAutomatic?: boolean }): Errors & { policy: object } {
    const none = { classifications: [], severities: [], packages: [], originLabels: [], cvssAtLeast: null, epssAtLeast: null, isKnownExploited: null, requiredApprovals: null, deferSeconds: null };
    const policy = {
      __typename: 'Policy', id: this.fresh('policy'), etag: '1', name: input.name, isEnabled: true, isAutomatic: input.isAutomatic ?? false, group: null,
      sentence: 'Everything else waits for a person.', rules: input.rules.map((rule) => ({ ...none, ...rule })),
      rollout: { leaseSeconds: 900, silentAfterSeconds: 3600, ...input.rollout, waves: (input.rollout['waves'] as { hosts?: number; percent?: number }[]).map((wave) => ({ hosts: wave.hosts ?? null, percent: wave.percent ?? null })) },
      windows: () => this.windows.filter((one) => input.windowIds.includes(one.id)),
    };
    this.policies.push(policy);
    return { policy, userErrors: [] };
  }

  webhook(input: { url: string; events?: string[] }): Payload {
    if (!input.url.startsWith('https://')) return { webhook: null, secret: null, userErrors: [{ __typename: 'InputError', code: 'BAD_USER_INPUT', message: 'a webhook is reached by https', path: ['input', 'url'] }] };
    const webhook = { __typename: 'Webhook', id: this.fresh('webhook'), url: input.url, events: input.events ?? [], disabledReason: null, createdAt: new Date().toISOString(), deliveries: (args: PageArgs) => connection([], args) };
    this.webhooks.push(webhook);
    return { webhook, secret: `whsec_${randomBytes(32).toString('base64')}`, userErrors: [] };
  }

  member(input: { name: string; email: string; roles: string[] }): Payload {
    this.members.push({ name: input.name, email: input.email, roles: input.roles, isActive: true });
    return { userId: this.fresh('user'), initialPassword: randomBytes(24).toString('base64url'), userErrors: [] };
  }
}

/** A site that has said nothing of its line. */
export const noLimit = { kilobitsPerSecond: null, rules: [] };
/** A site whose people want the line for themselves in office hours. */
export const officeLimit = { kilobitsPerSecond: null, rules: [{ hours: { days: ['MON', 'TUE', 'WED', 'THU', 'FRI'], from: '08:00', until: '18:00' }, kilobitsPerSecond: 10_000 }] };

/** The relay that waits in the mock world, with this code. */
export const waitingCode = 'BCDF-GHJK';
export const waiting = {
  model: 'Small box R2', serial: 'SB-2207-0042', version: '0.1.0', keyFingerprint: '5d41402abc4b2a76b9719d911017c592ae3f9d1c66d0a1d84c0cf7d6b2f1e087', expiresAt: new Date(Date.now() + 900_000).toISOString(),
};

/** Days apart by the rule's frequency: near enough to look at, the real ones come from the platform. */
export function occurrences(rule: { rrule: string; startsAt: string; duration: string }, count: number) {
  const frequency = /FREQ=(\w+)/.exec(rule.rrule)?.[1] ?? '';
  const step = { DAILY: 1, WEEKLY: 7, MONTHLY: 30, YEARLY: 365 }[frequency];
  if (!step) throw new Error(`the rule ${JSON.stringify(rule.rrule)} is not understood`);
  const parts = /PT(?:(\d+)H)?(?:(\d+)M)?/.exec(rule.duration);
  const minutes = Number(parts?.[1] ?? 0) * 60 + Number(parts?.[2] ?? 0);
  const start = Math.max(Date.parse(`${rule.startsAt}Z`), Date.now());
  return Array.from({ length: count }, (_, at) => {
    const from = start + at * step * day;
    return { start: new Date(from).toISOString(), end: new Date(from + minutes * 60_000).toISOString() };
  });
}

/** Deliveries of the webhook that is there from the start: one of each kind. */
export function deliveries(now: number) {
  const body = (type: string) => JSON.stringify({ type, timestamp: new Date(now).toISOString(), data: { id: 'approval_0001' } });
  const made = (hours: number) => new Date(now - hours * 3_600_000).toISOString();
  return [
    { __typename: 'WebhookDelivery', id: 'delivery_3', event: 'deployment.run.failed', body: body('deployment.run.failed'), createdAt: made(1), deliveredAt: null, attempts: 2, lastStatus: 503, lastError: 'the endpoint answered 503', nextAttemptAt: new Date(now + 600_000).toISOString() },
    { __typename: 'WebhookDelivery', id: 'delivery_2', event: 'approval.requested', body: body('approval.requested'), createdAt: made(3), deliveredAt: made(3), attempts: 1, lastStatus: 204, lastError: null, nextAttemptAt: null },
    { __typename: 'WebhookDelivery', id: 'delivery_1', event: 'finding.critical', body: body('finding.critical'), createdAt: made(90), deliveredAt: null, attempts: 8, lastStatus: null, lastError: 'the connection was refused', nextAttemptAt: null },
  ];
}

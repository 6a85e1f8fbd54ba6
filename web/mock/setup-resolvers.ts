import { connection, type PageArgs } from './connection.ts';
import { standards, type Baselines } from './deadlines.ts';
import { occurrences, waiting, waitingCode } from './setup.ts';
import type { World } from './world.ts';

type Said = Parameters<Baselines['create']>[0];
type Refuse = (typename: string, code: string, message: string) => object;
type Input = Parameters<ReturnType<World['made']>['site']>[0] & { organizationId: string; idempotencyKey: string; siteId: string; claimCode: string; id: string };

/** Queries and mutations for setting an organization up. */
export function setupRoot(world: World, refuse: Refuse) {
  const once = <Given extends Input>(act: (given: Given, made: ReturnType<World['made']>) => object) =>
    ({ input }: { input: Given }) => world.once(input.idempotencyKey, () => act(input, world.made(input.organizationId)));
  const siteOf = (input: Input) => world.sitesOf(input.organizationId).find((site) => site.id === input.siteId) ?? null;
  type Of<Name extends 'token' | 'window' | 'policy' | 'webhook' | 'member' | 'relay'> = Input & Parameters<ReturnType<World['made']>[Name]>[0];

  const holder = (id: string) => [...world.baselines.values()].find((one) => one.all.some((baseline) => baseline.id === id)) ?? world.baselinesOf('org_acme');

  return {
    platform: { edgePort: 8443, rootFingerprint: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
    relayPreview: ({ claimCode }: { claimCode: string }) => (claimCode === waitingCode ? waiting : null),
    windowPreview: ({ input }: { input: Parameters<typeof occurrences>[0] & { count: number } }) => occurrences(input, input.count),
    standards,
    baselines: (args: PageArgs & { organizationId: string }) => connection(world.baselinesOf(args.organizationId).all.filter((one) => !one.archivedAt), args),
    riskWeights: ({ organizationId }: { organizationId: string }) => world.baselinesOf(organizationId).held(),
    baselineCreate: ({ input }: { input: Said & { organizationId: string } }) => world.once(input.idempotencyKey, () => world.baselinesOf(input.organizationId).create(input)),
    baselineUpdate: ({ input }: { input: Said }) => world.once(input.idempotencyKey, () => holder(input.id).update(input)),
    baselineArchive: ({ input }: { input: Said }) => world.once(input.idempotencyKey, () => holder(input.id).archive(input)),
    riskWeightsSet: ({ input }: { input: Said & { organizationId: string; weights: { kind: string; points: number }[] } }) =>
      world.once(input.idempotencyKey, () => world.baselinesOf(input.organizationId).weigh(input.weights)),
    siteCreate: once((input, made) => made.site(input)),
    siteUpdate: ({ input }: { input: { id: string; directAllowed?: boolean; probesExposure?: boolean; servesProxy?: boolean; usesDeltas?: boolean; bandwidth?: object; stagingHours?: object[]; mirrors?: { repository: string; urls: string[] }[] } }) => {
      const inside = input.mirrors?.flatMap((one) => one.urls).find((url) => url.includes('refused'));
      if (inside) return { site: null, userErrors: [refuse('InputError', 'BAD_USER_INPUT', `"${inside}" is not the base URL of a repository (http:// or https://)`)] };
      if (input.mirrors) world.mirrors.set(input.id, input.mirrors.map((one) => ({ __typename: 'RepositoryMirrors', ...one })));
      if (input.stagingHours) world.stagingHours.set(input.id, input.stagingHours);
      if (input.bandwidth) world.bandwidths.set(input.id, input.bandwidth);
      if (input.directAllowed === false) world.strict.add(input.id);
      if (input.directAllowed === true) world.strict.delete(input.id);
      if (input.usesDeltas === false) world.wholeFiles.add(input.id);
      if (input.usesDeltas === true) world.wholeFiles.delete(input.id);
      for (const [sites, isOn] of [[world.probing, input.probesExposure], [world.proxies, input.servesProxy]] as const) {
        if (isOn === true) sites.add(input.id);
        if (isOn === false) sites.delete(input.id);
      }
      const site = ['org_acme', 'org_msp', 'org_new'].flatMap((id) => world.sitesOf(id)).find((one) => one.id === input.id) ?? null;
      return { site, userErrors: site ? [] : [refuse('InputError', 'NOT_FOUND', 'there is no such site')] };
    },
    relayClaim: once((input: Of<'relay'>, made) =>
      input.claimCode === waitingCode ? made.relay(input) : { relay: null, userErrors: [refuse('InputError', 'BAD_USER_INPUT', 'no relay waits with this code')] }),
    relayReplace: ({ input }: { input: { id: string; claimCode: string; idempotencyKey: string } }) =>
      world.once(input.idempotencyKey, () => {
        const known = ['org_acme', 'org_msp', 'org_new'].flatMap((id) => world.sitesOf(id) as unknown as { relays: () => { id: string }[] }[]).flatMap((site) => site.relays());
        const relay = input.claimCode === waitingCode ? known.find((one) => one.id === input.id) : undefined;
        return relay ? { relay, keyFingerprint: waiting.keyFingerprint, userErrors: [] } : { relay: null, userErrors: [refuse('InputError', 'BAD_USER_INPUT', 'no relay waits with this code')] };
      }),
    enrolmentTokenCreate: once((input: Of<'token'>, made) => made.token(input, siteOf(input))),
    windowCreate: once((input: Of<'window'>, made) => made.window(input)),
    policyCreate: once((input: Of<'policy'>, made) => made.policy(input)),
    webhookCreate: once((input: Of<'webhook'>, made) => made.webhook(input)),
    userCreate: once((input: Of<'member'>, made) => made.member(input)),
    apiClientCreate: once(() => ({ clientId: world.fresh('client'), clientSecret: 'npc_3GkQvYQ7m1bqz0Qe', userErrors: [] })),
    enrolmentTokenRevoke: ({ input }: { input: { id: string } }) => {
      const found = [...world.setups.values()].flatMap((made) => made.tokens).find((token) => token.id === input.id);
      if (found) found['isRevoked'] = true;
      return { enrolmentToken: found ?? null, userErrors: found ? [] : [refuse('InputError', 'NOT_FOUND', 'there is no such token')] };
    },
    webhookReplay: ({ input }: { input: { id: string } }) => ({ delivery: { __typename: 'WebhookDelivery', id: input.id, attempts: 0, nextAttemptAt: new Date().toISOString(), deliveredAt: null, lastStatus: null, lastError: null }, userErrors: [] }),
    webhookDelete: ({ input }: { input: { id: string } }) => {
      for (const made of world.setups.values()) {
        const at = made.webhooks.findIndex((one) => one.id === input.id);
        if (at >= 0) made.webhooks.splice(at, 1);
      }
      return { deletedId: input.id, userErrors: [] };
    },
    delegationDecide: ({ input }: { input: { id: string; isApproved: boolean } }) => ({ delegation: { __typename: 'Delegation', id: input.id, status: input.isApproved ? 'ACTIVE' : 'REVOKED' }, userErrors: [] }),
  };
}

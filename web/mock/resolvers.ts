import { GraphQLError } from 'graphql';
import { connection, type PageArgs } from './connection.ts';
import { feeds } from './feeds.ts';
import { patches } from './fixtures.ts';
import { people } from './stored.ts';
import { setupRoot } from './setup-resolvers.ts';
import type { World } from './world.ts';

/** Who asks. */
export interface MockContext {
  email: string | null;
}

type Args = Record<string, never> & PageArgs & { id: string; ids: string[]; filter?: Record<string, unknown>; by: { id?: string }; organizationId: string; deploymentId: string; orderBy?: { field: string } };
interface Input {
  id: string;
  idempotencyKey: string;
  verdict: string;
  reason: string;
  ifMatch?: string;
  patchId: string;
  patchIds: string[];
  required: number;
  dryRun?: boolean;
  name?: string;
  kind: string;
  deploymentId?: string;
  hostIds?: string[];
}

const refuse = (typename: string, code: string, message: string) => ({ __typename: typename, code, message, path: ['input'], currentEtag: '', approval: null });

/** The root of the mock API: queries, mutations and subscriptions as methods. */
export function root(world: World) {
  const person = (context: MockContext) => {
    const found = people.find((one) => one.email === context.email);
    if (!found) throw new GraphQLError('nobody is signed in', { extensions: { code: 'UNAUTHENTICATED' } });
    return found;
  };
  const node = (id: string): object | null => {
    const host = world.hosts.find((one) => one.id === id);
    if (host) return world.host(host);
    const patch = patches.find((one) => `patch_${one.package}` === id);
    if (patch) return world.patch(patch);
    const approval = world.approvals.find((one) => one.id === id);
    if (approval) return world.approval(approval);
    const deployment = world.deployments.find((one) => one.id === id);
    if (deployment) return world.deployment(deployment);
    const run = world.allRuns().find((one) => one.run.id === id);
    if (run) return world.run(run.run, run.wave, run.deployment);
    if (id === 'webhook_0001') return world.webhook();
    const report = world.reports.find((one) => one.id === id);
    if (report) return world.report(report);
    const entry = /^ledger_.*_(\d+)$/.exec(id);
    return entry ? world.ledger.entry(Number(entry[1])) : null;
  };
  const isAcme = (filter?: Record<string, unknown>) => !filter?.['organizationId'] || filter['organizationId'] === 'org_acme';
  const statuses = (filter?: Record<string, unknown>) => filter?.['status'] as string[] | undefined;

  function move(to: string, allowed: string[]) {
    return ({ input }: { input: Input }, context: MockContext) =>
      world.once(input.idempotencyKey, () => {
        const found = world.deployments.find((one) => one.id === input.id);
        if (!found) return { deployment: null, userErrors: [refuse('InputError', 'NOT_FOUND', 'there is no such deployment')] };
        if (input.ifMatch && input.ifMatch !== String(found.revision)) {
          return { deployment: null, userErrors: [refuse('ConflictError', 'CONFLICT', 'the deployment changed')] };
        }
        if (!allowed.includes(found.status)) {
          return { deployment: null, userErrors: [refuse('InputError', 'INVALID_STATE', `a deployment that is ${found.status.toLowerCase()} cannot do that`)] };
        }
        found.status = to;
        found.reason = `${person(context).name}: ${input.reason}`;
        found.revision += 1;
        return { deployment: world.deployment(found), userErrors: [] };
      });
  }

  return {
    viewer: (_args: Args, context: MockContext) => ({
      actor: { kind: 'USER', name: person(context).name },
      organizations: (args: PageArgs) => connection([world.partner(), world.acme(), world.newcomer()], args),
      can: true,
    }),
    rateLimit: { maximum: 4000, available: 4000, restoreRate: 200 },
    node: ({ id }: Args, context: MockContext) => person(context) && node(id),
    nodes: ({ ids }: Args) => ids.map(node),
    organizations: (args: Args) => connection([world.partner(), world.acme(), world.newcomer()], args),
    organization: ({ id }: Args, context: MockContext) => person(context) && (id === 'org_acme' ? world.acme() : id === 'org_msp' ? world.partner() : id === 'org_new' ? world.newcomer() : null),
    assets: (args: Args) => world.assets.list(args),
    assetUpsert: ({ input }: { input: Parameters<typeof world.assets.upsert>[0] }) => world.assets.upsert(input, refuse),
    hosts: (args: Args) => connection(world.filtered(args.filter).map(world.host), args),
    findings: (args: Args) => connection(world.findings(args.filter, args.orderBy), args),
    findingGroups: (args: Args & { by: unknown }) => connection(world.groups(String(args.by), args.filter), args),
    queue: (args: Args) => connection(world.queue(args.filter, args.orderBy), args),
    advisory: ({ by }: Args) => patches.filter((one) => `advisory_${one.advisory}` === by.id).map(world.advisory)[0] ?? null,
    approvals: (args: Args) => {
      const wanted = statuses(args.filter);
      return connection(isAcme(args.filter) ? world.approvals.filter((one) => !wanted || wanted.includes(one.status)).map(world.approval) : [], args);
    },
    deployments: (args: Args) => {
      const wanted = statuses(args.filter);
      return connection(isAcme(args.filter) ? world.deployments.filter((one) => !wanted || wanted.includes(one.status)).map(world.deployment) : [], args);
    },
    policies: (args: Args) => connection([...(args.organizationId === 'org_acme' ? [world.policy()] : []), ...world.made(args.organizationId).policies], args),
    windows: (args: Args) => connection([...(args.organizationId === 'org_acme' ? [world.window()] : []), ...world.made(args.organizationId).windows], args),
    feeds: () => feeds(world.now),
    ...setupRoot(world, refuse),

    approvalRequest: ({ input }: { input: Input }, context: MockContext) =>
      world.once(input.idempotencyKey, () => {
        const patch = patches.find((one) => `patch_${one.package}` === input.patchId);
        if (!patch) return { approval: null, userErrors: [refuse('InputError', 'NOT_FOUND', 'there is no such patch')] };
        const waiting = world.approvals.find((one) => one.patch === patch && one.status === 'AWAITING');
        if (waiting) return { approval: world.approval(waiting), userErrors: [] };
        const created = {
          id: world.fresh('approval'), patch, status: 'AWAITING', requestedBy: { kind: 'USER', name: person(context).name }, requestedAt: new Date().toISOString(), required: input.required ?? 1, decisions: [],
        };
        world.approvals.unshift(created);
        return { approval: world.approval(created), userErrors: [] };
      }),
    approvalDecide: ({ input }: { input: Input }, context: MockContext) =>
      world.once(input.idempotencyKey, () => {
        const found = world.approvals.find((one) => one.id === input.id);
        const by = person(context);
        if (!found) return { approval: null, userErrors: [refuse('InputError', 'NOT_FOUND', 'there is no such approval')] };
        if (found.requestedBy.name === by.name && input.verdict === 'APPROVE') {
          return { approval: null, userErrors: [refuse('InputError', 'SELF_APPROVAL', 'who asks cannot approve')] };
        }
        found.decisions.push({ by: { kind: 'USER', name: by.name }, verdict: input.verdict, reason: input.reason, at: new Date().toISOString() });
        const given = found.decisions.filter((one) => one.verdict === 'APPROVE').length;
        const ends: Record<string, string> = { DECLINE: 'DECLINED', DEFER: 'DEFERRED', BAN: 'BANNED' };
        found.status = ends[input.verdict] ?? (given >= found.required ? 'APPROVED' : 'AWAITING');
        world.ledger.append({ at: new Date().toISOString(), action: 'approval.decided', actor: { kind: 'USER', name: by.name }, subject: `approval:${found.id}`, details: { verdict: input.verdict } });
        return { approval: world.approval(found), userErrors: [] };
      }),
    deploymentCreate: ({ input }: { input: Input }) =>
      world.once(input.idempotencyKey, () => {
        const what = patches.filter((one) => input.patchIds.includes(`patch_${one.package}`));
        const targets = world.hosts.filter((host) => host.missing.some((patch) => what.includes(patch)));
        const sizes = [2, 10, Math.max(0, targets.length - 12)];
        let from = 0;
        const waves = sizes.map((size, at) => {
          const part = targets.slice(from, from + size);
          from += size;
          return { ordinal: at + 1, hostCount: part.length, hostnames: part.map((host) => host.hostname) };
        });
        const missing = what
          .filter((patch) => !world.approvals.some((one) => one.patch === patch && one.status === 'APPROVED'))
          .map((patch) => ({ patch: world.patch(patch), approval: null, reason: 'not approved for all hosts' }));
        const plan = {
          hostCount: targets.length, payloadBytes: String(targets.length * 1_843_200), waves, missing,
          windows: [...new Set(targets.map((host) => host.site))].map((site) => ({ site: world.site(site), nextStart: new Date(world.now + 172_800_000).toISOString() })),
        };
        if (input.dryRun) return { deployment: null, plan, userErrors: [] };
        const id = world.fresh('deployment');
        world.deployments.unshift({
          id, name: input.name ?? what.map((one) => one.package).join(', '), status: missing.length > 0 ? 'AWAITING_APPROVAL' : 'SCHEDULED', reason: missing.length > 0 ? 'waits for approval' : '',
          revision: 1, patches: what, createdAt: new Date().toISOString(), waves: waves.map((wave) => ({ id: `wave_${id}_${wave.ordinal}`, ordinal: wave.ordinal, status: 'WAITING', runs: [] })),
        });
        return { deployment: node(id), plan, userErrors: [] };
      }),
    deploymentPause: move('PAUSED', ['RUNNING', 'SCHEDULED']),
    deploymentResume: move('RUNNING', ['PAUSED', 'HALTED']),
    deploymentHalt: move('HALTED', ['RUNNING', 'PAUSED', 'SCHEDULED']),
    deploymentCancel: move('CANCELLED', ['DRAFT', 'AWAITING_APPROVAL', 'SCHEDULED', 'RUNNING', 'PAUSED', 'HALTED']),
    hostScan: ({ input }: { input: Input }) => ({ requested: input.hostIds?.length ?? world.hosts.length, userErrors: [] }),
    reportCreate: ({ input }: { input: Input }) =>
      world.once(input.idempotencyKey, () => {
        if (input.kind !== 'FINDINGS_CSV' && !input.deploymentId) {
          return { report: null, userErrors: [refuse('InputError', 'BAD_USER_INPUT', 'this report is of a deployment: name it')] };
        }
        const report = { id: world.fresh('report'), kind: input.kind, createdAt: new Date().toISOString() };
        world.reports.unshift(report);
        return { report: world.report(report), userErrors: [] };
      }),

    waveProgress: async function* ({ deploymentId }: Args) {
      const found = world.deployments.find((one) => one.id === deploymentId);
      if (!found) return;
      for (let sequence = 1; ; sequence += 1) {
        const deployment = world.deployment(found);
        yield { waveProgress: { sequence: String(sequence), deployment, waves: found.waves.map((wave) => world.wave(wave, found)) } };
        await new Promise((resolve) => setTimeout(resolve, 1500));
        world.tick();
      }
    },
  };
}

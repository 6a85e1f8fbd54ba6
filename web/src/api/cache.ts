import { cacheExchange, type Cache } from '@urql/exchange-graphcache';
import { embeddedSuffixes, embeddedTypes } from './embedded.ts';

const inside = () => null;

/** Lists change with almost every act of a person, so all of them are asked for again after one. */
function forgetLists(store: Cache) {
  for (const { fieldName, arguments: args } of store.inspectFields('Query')) {
    if (!['viewer', 'platform', 'relayPreview', 'windowPreview'].includes(fieldName)) store.invalidate('Query', fieldName, args ?? undefined);
  }
}

/** Types whose names are generated from another type's have no entry in `embeddedTypes`. */
const generated = new Proxy<Record<string, () => null>>(Object.fromEntries(embeddedTypes.map((name) => [name, inside])), {
  get: (known, name: string) => known[name] ?? (embeddedSuffixes.some((suffix) => String(name).endsWith(suffix)) ? inside : undefined),
});

const mutations = [
  'approvalDecide',
  'approvalRequest',
  'deploymentCreate',
  'deploymentPause',
  'deploymentResume',
  'deploymentHalt',
  'deploymentCancel',
  'hostScan',
  'assetUpsert',
  'reportCreate',
  'siteCreate',
  'siteUpdate',
  'enrolmentTokenCreate',
  'enrolmentTokenRevoke',
  'relayClaim',
  'windowCreate',
  'policyCreate',
  'webhookCreate',
  'webhookDelete',
  'webhookReplay',
  'userCreate',
  'delegationDecide',
];

/** The normalised cache: a subscription's event updates every screen that shows the object. */
export function cache() {
  return cacheExchange({
    keys: generated,
    updates: {
      Mutation: Object.fromEntries(
        mutations.map((name) => [name, (_result: unknown, args: { input?: { dryRun?: boolean } }, store: Cache) => {
          if (!args.input?.dryRun) forgetLists(store);
        }]),
      ),
    },
  });
}

import type { ResultOf } from '../../api/graphql.ts';
import type { FirstRunQuery } from './queries.ts';

/** A line of the checklist. */
export interface FirstStep {
  name: 'site' | 'relay' | 'token' | 'host' | 'scan' | 'window' | 'policy';
  isDone: boolean;
  /** Nothing is patched without it. */
  isNeeded: boolean;
  /** Nothing to press: it happens by itself once the step before is done. */
  isWaiting: boolean;
  to?: '/o/$org/sites' | '/o/$org/relays/claim' | '/o/$org/enrolment' | '/o/$org/windows/new' | '/o/$org/policies/new';
  search?: { make?: boolean };
  /** What it turned into. */
  detail?: string | undefined;
}

/** The steps in their order, each with what is known about it now. */
export function firstSteps({ organization, policies, windows }: ResultOf<typeof FirstRunQuery>): FirstStep[] {
  const sites = organization?.sites?.nodes ?? [];
  const relays = organization?.relays?.nodes ?? [];
  const hosts = organization?.hosts?.nodes ?? [];
  const tokens = organization?.enrolmentTokens ?? [];
  const host = hosts[0];
  const isScanned = hosts.some((one) => one.lastScanAt);
  // Where no site lets its hosts go directly, a relay is the only way.
  const needsRelay = sites.length > 0 && sites.every((site) => !site.directAllowed);
  const wasInvited = tokens.length > 0 || hosts.length > 0;
  return [
    { name: 'site', isDone: sites.length > 0, isNeeded: true, isWaiting: false, to: '/o/$org/sites', search: { make: true }, detail: sites[0]?.name },
    { name: 'relay', isDone: relays.length > 0, isNeeded: needsRelay, isWaiting: false, to: '/o/$org/relays/claim', detail: relays[0]?.name },
    { name: 'token', isDone: wasInvited, isNeeded: true, isWaiting: false, to: '/o/$org/enrolment' },
    { name: 'host', isDone: hosts.length > 0, isNeeded: true, isWaiting: wasInvited, detail: host?.hostname },
    { name: 'scan', isDone: isScanned, isNeeded: true, isWaiting: hosts.length > 0 },
    { name: 'window', isDone: (windows?.nodes.length ?? 0) > 0, isNeeded: true, isWaiting: false, to: '/o/$org/windows/new', detail: windows?.nodes[0]?.name },
    { name: 'policy', isDone: (policies?.nodes.length ?? 0) > 0, isNeeded: true, isWaiting: false, to: '/o/$org/policies/new', detail: policies?.nodes[0]?.name },
  ];
}

import { expect, it } from 'vitest';
import { firstSteps } from './first.ts';

type State = Parameters<typeof firstSteps>[0];

const nothing: State = { organization: { id: 'org', sites: { nodes: [] }, relays: { nodes: [] }, hosts: { nodes: [] }, enrolmentTokens: [] }, policies: { nodes: [] }, windows: { nodes: [] } };
const of = (part: Partial<NonNullable<State['organization']>>, more: Partial<State> = {}): State => ({ ...nothing, ...more, organization: { ...(nothing.organization as NonNullable<State['organization']>), ...part } });
const step = (state: State, name: string) => firstSteps(state).find((one) => one.name === name);

it('begins with nothing done and nothing waiting', () => {
  expect(firstSteps(nothing).filter((one) => one.isDone || one.isWaiting)).toEqual([]);
});

it('needs a relay only where hosts may not go directly', () => {
  expect(step(of({ sites: { nodes: [{ id: 's', name: 'Here', directAllowed: true }] } }), 'relay')?.isNeeded).toBe(false);
  expect(step(of({ sites: { nodes: [{ id: 's', name: 'Here', directAllowed: false }] } }), 'relay')?.isNeeded).toBe(true);
});

it('waits for the host once there is a token, and turns into it', () => {
  expect(step(of({ enrolmentTokens: [{ id: 't' }] }), 'host')).toMatchObject({ isDone: false, isWaiting: true });
  const state = of({ hosts: { nodes: [{ id: 'h', hostname: 'web-1', lastScanAt: null }] } });
  expect(step(state, 'host')).toMatchObject({ isDone: true, detail: 'web-1' });
  expect(step(state, 'scan')).toMatchObject({ isDone: false, isWaiting: true });
  // A host that is here needs no token any more, and who may not see tokens sees null.
  expect(step(of({ hosts: { nodes: [{ id: 'h', hostname: 'web-1', lastScanAt: '2026-01-01T00:00:00Z' }] }, enrolmentTokens: null }), 'token')?.isDone).toBe(true);
});

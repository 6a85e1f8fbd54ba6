import { useEffect, useSyncExternalStore } from 'react';
import { useSubscription } from 'urql';
import { liveness } from '../../api/connection.ts';
import { WaveProgress } from './queries.ts';

const pollMs = 5000;

/** Whether live updates reach this page. */
export function useLiveness() {
  return useSyncExternalStore(liveness.subscribe, liveness.read);
}

/**
 * Keeps a deployment fresh: by subscription, whose events go into the cache that the page reads; by asking again
 * every few seconds while the socket is down.
 */
export function useLiveDeployment(id: string, isOver: boolean, ask: () => void) {
  useSubscription({ query: WaveProgress, variables: { id }, pause: isOver });
  const state = useLiveness();
  useEffect(() => {
    if (isOver || state === 'live') return undefined;
    const timer = setInterval(ask, pollMs);
    return () => clearInterval(timer);
  }, [ask, isOver, state]);
  return isOver ? ('idle' as const) : state;
}

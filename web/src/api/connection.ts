/** Whether live updates reach this page. */
export type Liveness = 'idle' | 'live' | 'catching-up' | 'offline';

type Listener = () => void;

let state: Liveness = 'idle';
const listeners = new Set<Listener>();

/** Called by the socket's events. */
export function setLiveness(next: Liveness) {
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

/** For `useSyncExternalStore`. */
export const liveness = {
  read: () => state,
  subscribe: (listener: Listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

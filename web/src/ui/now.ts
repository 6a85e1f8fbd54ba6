import { useSyncExternalStore } from 'react';

const everyMs = 15_000;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void) {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, everyMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The clock of the page: one for all, so that what says "3 minutes ago" stays true while it is looked at. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

const weekMs = 7 * 24 * 60 * 60 * 1000;
const stepMs = 60 * 1000;

/**
 * A host that was not seen since then is stale. Whole minutes, so that the same question is asked again and the
 * cache can answer it.
 */
export function staleSince(now = Date.now()): string {
  return new Date(Math.floor((now - weekMs) / stepMs) * stepMs).toISOString();
}

/** Bytes that did not cross the uplink: served less fetched, never below zero; null: not known. */
export function saved(served: string | null, fetched: string | null): string | null {
  if (served === null || fetched === null) return null;
  const left = BigInt(served) - BigInt(fetched);
  return String(left > 0n ? left : 0n);
}

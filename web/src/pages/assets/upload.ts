import * as v from 'valibot';
import { csrfHeaders } from '../../api/client.ts';

const imported = v.object({
  created: v.number(),
  changed: v.number(),
  unchanged: v.number(),
  ambiguous: v.number(),
  isDryRun: v.boolean(),
  isWritten: v.boolean(),
  ignoredColumns: v.array(v.string()),
  errorCount: v.number(),
  errors: v.array(v.object({ line: v.number(), column: v.string(), message: v.string(), remedy: v.string() })),
});
const refusal = v.object({ errors: v.array(v.object({ message: v.string() })) });

/** What an import did, or would do. */
export type Imported = v.InferOutput<typeof imported>;

/** How an upload went: an answer, or why there is none. */
export type Upload = { done: Imported } | { problem: string };

/** Reads an answer of `POST /import/assets`. */
export function read(value: unknown, status: number): Upload {
  const done = v.safeParse(imported, value);
  if (done.success) return { done: done.output };
  const refused = v.safeParse(refusal, value);
  return { problem: refused.success ? (refused.output.errors[0]?.message ?? String(status)) : String(status) };
}

/** Sends a file of assets; all of it is written or nothing. */
export async function sendAssets(organizationId: string, file: Blob, key: string, isDryRun: boolean): Promise<Upload> {
  const query = new URLSearchParams({ organizationId, ...(isDryRun ? { dryRun: 'true' } : {}) });
  try {
    const response = await fetch(`/import/assets?${query}`, {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'text/csv', 'idempotency-key': key, ...csrfHeaders },
      body: file,
    });
    return read(await response.json(), response.status);
  } catch (error) {
    return { problem: String(error) };
  }
}

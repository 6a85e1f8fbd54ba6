import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';

/** The gateway's schema; another one can be named in the environment. */
export const schemaPath = process.env['NETPATCH_SCHEMA'] ?? new URL('../../gateway/schema.graphql', import.meta.url).pathname;

/** Reads the schema that the portal is written against. */
export function loadSchema() {
  return buildSchema(readFileSync(schemaPath, 'utf8'));
}

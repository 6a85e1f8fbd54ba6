// The GraphQL-over-HTTP audit against a running gateway:
//   AUDIT_URL=http://127.0.0.1:8080/graphql [AUDIT_TOKEN=nps_…] npm run audit:http
import { auditServer } from 'graphql-http';

const url = process.env.AUDIT_URL;
if (!url) {
  console.error('AUDIT_URL is not set: the address of the /graphql endpoint');
  process.exit(2);
}
const token = process.env.AUDIT_TOKEN;

function fetchFn(input, init = {}) {
  const headers = new Headers(init.headers);
  if (token) headers.set('authorization', `Bearer ${token}`);
  return fetch(input, { ...init, headers });
}

const results = await auditServer({ url, fetchFn });
const bad = results.filter((one) => one.status === 'error' || one.status === 'warn');
const notices = results.filter((one) => one.status === 'notice');
for (const one of [...bad, ...notices]) console.error(`${one.status}  ${one.id}  ${one.name}: ${one.reason}`);
console.log(`${results.length - bad.length - notices.length} of ${results.length} audits pass`);
process.exit(bad.length === 0 ? 0 : 1);

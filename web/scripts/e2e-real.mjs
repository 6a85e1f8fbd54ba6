// The built portal in Chromium against a real platform with the demo's data. The facts come as JSON on standard input,
// since they hold passwords: { mode: "live" | "tour", url, organization, site, edge, relay, hosts, failing, packageThatFails,
// deployment, requester, approver }, or { mode: "first", url, edge, relayProgram, folder, requester } for a platform with
// nothing on it, where the requester is its first administrator. Screenshots go to E2E_SHOTS or a temporary folder, which is named at the end.
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { launch } from './e2e/browser.mjs';
import { first, makeOrganization } from './e2e/real/first.mjs';
import { live } from './e2e/real/live.mjs';
import { parts } from './e2e/real/tour.mjs';
import { pages, walk } from './e2e/real/walk.mjs';
import { signInAs } from './e2e/signin.mjs';
import { expect } from './e2e/steps.mjs';
import { watch } from './e2e/watch.mjs';

const facts = JSON.parse(await text(process.stdin));
const shots = process.env.E2E_SHOTS ?? (await mkdtemp(join(tmpdir(), 'netpatch-shots-')));
await mkdir(shots, { recursive: true });
const base = `${facts.url}/o/${facts.organization ?? (await makeOrganization(facts))}`;
const only = process.env.E2E_ONLY;
const failures = [];
let current = 'sign-in';

/** The answer to the document itself: scripts from here only, nothing by default. */
async function checkPolicy(page) {
  const response = await page.goto(`${facts.url}/sign-in`);
  const policy = response?.headers()['content-security-policy'] ?? '';
  const scripts = /script-src ([^;]*)/.exec(policy)?.[1] ?? '';
  expect(/default-src '(none|self)'/.test(policy) && scripts.trim() === "'self'" && policy.includes("frame-ancestors 'none'"), `the content security policy is strict: ${policy}`);
  const isStopped = await page.evaluate(() => {
    globalThis.wasRun = false;
    const script = document.createElement('script');
    script.textContent = 'globalThis.wasRun = true';
    document.head.append(script);
    return !globalThis.wasRun;
  });
  expect(isStopped, 'a script that is not from here does not run');
}

async function part(name, page, run) {
  current = name;
  try {
    await run({ page, base, facts, shots, failures });
    console.log(`ok    ${name}`);
  } catch (error) {
    failures.push(`${name}: ${error.message}`);
    await page.screenshot({ path: join(shots, `failed-${name.replaceAll(/\W+/g, '-')}.png`) });
    console.log(`FAIL  ${name}`);
  }
}

const { context, close } = await launch();
try {
  const bare = await context.newPage();
  await part('content security policy', bare, ({ page }) => checkPolicy(page));
  await bare.close();
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  watch(page, failures, () => current);
  await signInAs(page, facts.url, facts.requester);
  if (facts.mode === 'live') await part('deployment followed to its end', page, live);
  else if (facts.mode === 'first') await part('new organization, from nothing to its first policy', page, first);
  else {
    const walked = pages(facts).filter((one) => !only || one.name.includes(only));
    await walk(page, base, walked, shots, failures, (name) => {
      current = name;
    });
    console.log(`walked ${walked.length} pages in both colour schemes, 1280 and 390 px wide`);
    for (const { name, run } of parts.filter((one) => !only || one.name.includes(only))) await part(name, page, run);
  }
} finally {
  await close();
}
console.log(`screenshots: ${shots}`);
for (const failure of failures) console.error(failure);
console.log(failures.length === 0 ? 'e2e-real: passed' : `e2e-real: ${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);

// An organization with nothing in it, on a real platform: led by the portal alone from its first site to its first policy.
// The relay is a real one, started with the very line that the portal shows.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { violations } from '../axe.mjs';
import { tooWide } from '../fits.mjs';
import { expect, until } from '../steps.mjs';

/** Makes the customer by the API; a partner's people have no page for that. Returns its part of the address. */
export async function makeOrganization({ url, requester }) {
  const post = async (path, body, token) => {
    const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return response.json();
  };
  const { token } = await post('/auth/sign-in', { email: requester.email, password: requester.password, bearer: true });
  const own = await post('/graphql', { query: '{ viewer { organizations(first: 10) { nodes { id } } } }' }, token);
  const input = { name: 'New Bakery', kind: 'CUSTOMER', partnerId: own.data.viewer.organizations.nodes[0].id, idempotencyKey: crypto.randomUUID() };
  const query = 'mutation($input: OrganizationCreateInput!) { organizationCreate(input: $input) { organization { slug } userErrors { message } } }';
  const made = await post('/graphql', { query, variables: { input } }, token);
  return made.data.organizationCreate.organization.slug;
}

/** A relay that shows its claim code; `output` grows while it runs. */
function startClaim(line, { relayProgram, folder }) {
  const words = line.trim().split(/\s+/);
  expect(words.slice(0, 3).join(' ') === 'sudo netpatch-relay claim', `the line starts the claim: ${line}`);
  const child = spawn(relayProgram, [...words.slice(2), '--data-dir', join(folder, 'relay')]);
  const relay = { child, output: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (relay.output += part));
  return relay;
}

const shown = (relay, name) => new RegExp(`^${name}\\s+(.+)$`, 'm').exec(relay.output)?.[1];

/** Looks at a page of the organization in both schemes, on a desk and on a telephone. */
async function look(page, address, ready, shots, failures) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.goto(address);
    await page.waitForSelector(ready);
    const name = `first-${address.split('/').slice(5).join('-').replaceAll(/\W+/g, '-')}-${colorScheme}`;
    for (const line of await violations(page)) failures.push(`${name}: ${line}`);
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      const over = await tooWide(page);
      if (over > 0) failures.push(`${name}: ${over} px too wide for ${width} px`);
      await page.screenshot({ path: join(shots, `${name}-${width}.png`), fullPage: true });
    }
  }
}

/** From nothing to the first policy. */
export async function first({ page, base, facts, shots, failures }) {
  const empty = { posture: '#first-run', queue: 'section.np-panel', findings: 'section.np-panel', hosts: 'section.np-panel', approvals: 'section.np-panel', deployments: 'section.np-panel', policies: 'section.np-panel', windows: 'section.np-panel', sites: 'section.np-panel', enrolment: 'section.np-panel', ledger: 'tbody tr, section.np-panel', reports: 'section.np-panel', feeds: 'section.np-panel', webhooks: 'section.np-panel', access: 'section[aria-labelledby=new-person]' };
  for (const [path, ready] of Object.entries(empty)) await look(page, `${base}/${path}`, ready, shots, failures);

  await page.goto(`${base}/posture`);
  const todo = page.locator('section[aria-labelledby=first-run]');
  await todo.getByRole('link', { name: 'Create a site' }).click();
  await page.getByLabel('Name of the site').fill('Ovens');
  await page.getByRole('button', { name: 'Create the site' }).click();
  await page.waitForSelector('h2:has-text("Ovens")');

  await page.goto(`${base}/relays/claim`);
  await page.locator('summary').click();
  const relay = startClaim((await page.getByRole('region', { name: 'Start claiming on the relay' }).textContent()) ?? '', facts);
  try {
    await until(() => shown(relay, 'claim code') && shown(relay, 'fingerprint'), 'the relay shows its code and fingerprint');
    await page.getByLabel('Claim code of the relay').fill((shown(relay, 'claim code') ?? '').toLowerCase());
    await page.keyboard.press('Enter');
    const found = page.locator('section[aria-labelledby=found]');
    await found.waitFor();
    const fingerprint = await found.locator('strong').first().textContent();
    expect(fingerprint === shown(relay, 'fingerprint'), `the portal shows the relay's fingerprint: ${fingerprint}, ${shown(relay, 'fingerprint')}`);
    await page.getByLabel('Name of the relay').fill('oven-relay');
    await page.getByRole('button', { name: /claim it for New Bakery/ }).click();
    await page.waitForSelector('text=oven-relay belongs to Ovens');
    await until(() => relay.child.exitCode === 0, 'the relay has its certificate');
  } finally {
    relay.child.kill();
  }
  console.log('ok    a relay was claimed, its fingerprint compared');

  await page.goto(`${base}/enrolment`);
  await page.getByRole('button', { name: 'Make the token' }).click();
  const line = await page.getByRole('region', { name: 'Enrol the host', exact: true }).textContent();
  expect(line?.includes(`--server ${facts.edge} `), `the line leads to the edge: ${line}`);
  await page.goto(`${base}/windows/new`);
  await page.getByLabel('Name of the window').fill('Nights');
  await page.getByLabel('Recurs').selectOption('rule');
  await page.getByLabel('Recurrence rule').fill('FREQ=SOMETIMES');
  await page.waitForSelector('section[aria-labelledby=preview] [role=alert]');
  await page.getByLabel('Recurs').selectOption('day');
  await page.waitForSelector('section[aria-labelledby=preview] tbody tr:nth-child(5)');
  await page.getByRole('button', { name: 'Create the window' }).click();
  await page.waitForSelector('h2:has-text("Nights")');
  await page.goto(`${base}/policies/new`);
  await page.getByLabel('Name of the policy').fill('Careful');
  await page.getByLabel(/^Nights/).check();
  await page.getByRole('button', { name: 'Create the policy' }).click();
  await page.waitForSelector('h2:has-text("Careful")');

  await page.goto(`${base}/posture`);
  await todo.waitFor();
  await until(async () => (await todo.locator('li').allTextContents()).filter((one) => one.startsWith('✓')).length === 5, 'all but the host and its scan are ticked');
  expect((await todo.getByText('waiting').count()) === 1, 'the list waits for the host');
  await page.goto(`${base}/access`);
  await page.getByLabel('Name', { exact: true }).fill('Bea Baker');
  await page.getByLabel('E-mail address').fill('bea@bakery.example');
  await page.getByRole('button', { name: 'Create the account' }).click();
  await page.waitForSelector('text=First password of bea@bakery.example');
  await page.waitForSelector('tbody >> text=Bea Baker');
}

// What a person looks for after a rollout. Each part throws with a sentence when the portal does not answer.
import { expect, until } from '../steps.mjs';

const number = (text) => Number(/[\d,.]+/.exec(text ?? '')?.[0].replaceAll(/[,.]/g, '') ?? Number.NaN);
const listed = (page) => page.locator('nav[aria-label="Pages of the list"]').first().textContent();

/** Every number of the map is a link to the rows that it counts, and the list repeats it. */
async function posture({ page, base, facts }) {
  await page.goto(`${base}/posture`);
  await page.waitForSelector('table.np-heat tbody td a');
  const line = page.locator('table.np-heat tbody tr').first();
  expect((await line.locator('th').textContent())?.includes(facts.site), `the map names the site ${facts.site}`);
  const links = await line.locator('td a').evaluateAll((all) => all.map((one) => [one.textContent, one.getAttribute('href')]));
  expect(number(links[0]?.[0]) === facts.hosts.length, `the map counts ${facts.hosts.length} hosts`);
  expect(links.length > 1, 'findings are still open on the host that was rolled back');
  for (const [text, address] of links) {
    await page.goto(`${new URL(base).origin}${address}`);
    await page.waitForSelector('tbody tr');
    expect(number(await listed(page)) === number(text), `“${text}” leads to a list that says “${await listed(page)}”`);
  }
  await page.goto(`${base}/posture`);
  await page.locator('table.np-heat tbody td a').first().click();
  await page.waitForSelector(`tbody tr:nth-child(${facts.hosts.length})`);
  const names = await page.locator('tbody th').allTextContents();
  expect(facts.hosts.every((one) => names.some((name) => name.includes(one.name))), `the list has ${facts.hosts.map((one) => one.name).join(', ')}: ${names.join(', ')}`);
}

/** Filters are in the address, and Back restores them. */
async function filters({ page, base }) {
  await page.goto(`${base}/findings`);
  await page.getByLabel('Severity').selectOption('CRITICAL');
  await until(() => page.url().includes('severity=CRITICAL'), 'the filter is in the address');
  await page.getByLabel('Severity').selectOption('HIGH');
  await until(() => page.url().includes('severity=HIGH'), 'the next filter is in the address');
  await page.goBack();
  await until(async () => (await page.getByLabel('Severity').inputValue()) === 'CRITICAL', 'Back restores the filter');
}

/** The queue begins with the highest risk and shows how it was added up. */
async function queue({ page, base }) {
  await page.goto(`${base}/queue`);
  await page.waitForSelector('tbody tr');
  const risks = (await page.locator('tbody summary strong').allTextContents()).map(Number);
  expect(risks.length > 0 && risks.every((risk, at) => at === 0 || risk <= risks[at - 1]), `risks fall: ${risks.join(', ')}`);
  const first = page.locator('tbody tr').first();
  // The due date has reasons to unfold too.
  await first.getByLabel(/^How .* comes about$/).click();
  // The rows of the terms have three cells; the last row is the sum.
  const points = await first.locator('.np-sum tr td:nth-child(3)').allTextContents();
  const sum = points.map((text) => Number(text.replace('−', '-'))).reduce((total, one) => total + one, 0);
  expect(points.length > 2 && Math.abs(sum - risks[0]) < 0.05 * points.length + 0.05, `the terms ${points.join(' ')} add up to ${risks[0]}`);
}

/** The host that failed says why it is not compliant, and what its run ended with. */
async function hostPage({ page, base, facts }) {
  await page.goto(`${base}/hosts`);
  await page.getByRole('link', { name: facts.failing.name }).click();
  await page.waitForSelector('section[aria-labelledby=why]');
  expect(/finding/.test((await page.locator('section[aria-labelledby=why]').textContent()) ?? ''), 'the host says why it is not compliant');
  await page.getByRole('tab', { name: 'Runs' }).click();
  await page.waitForSelector('[role=tabpanel]:visible tbody tr');
  await explained(page.locator('[role=tabpanel]:visible tbody tr').first());
}

/** Code, plain reason and next step. */
async function explained(row) {
  const text = (await row.textContent()) ?? '';
  expect(text.includes('rolled back') && text.includes('maintainer_script_failed') && /Next step:\s*\S+/.test(text), `the failed run has code, reason and next step: ${text}`);
}

/** Who decided what: most by the rule, one by a person. */
async function approvals({ page, base, facts }) {
  await page.goto(`${base}/approvals?tab=decided`);
  await page.waitForSelector('tbody tr');
  const rows = await page.locator('tbody tr').allTextContents();
  expect(rows.some((row) => row.includes('by rule')), 'some are approved by the rule');
  const person = page.locator('tbody tr').filter({ hasText: facts.packageThatFails });
  await person.getByRole('button').click();
  await until(async () => (await page.locator('section[aria-labelledby=approval]').textContent())?.includes(facts.approver.name), 'the decision names the approver');
}

/** Two waves, one failed run with its cause, and the journal of that run. */
async function deployment({ page, base, facts }) {
  await page.goto(`${base}/deployments`);
  await page.locator(`a[href*="${facts.deployment}"]`).first().click();
  await page.waitForSelector('section[aria-labelledby=waves] li:nth-child(2)');
  const waves = await page.locator('section[aria-labelledby=waves] li').allTextContents();
  expect(waves.length === 2 && waves.every((wave) => wave.includes('passed')), `both waves passed: ${waves.join(' / ')}`);
  expect(/1 succeeded/.test(waves[1]) && /1 rolled back/.test(waves[1]) && !/\d failed/.test(waves[1]), `the second wave counts each host once: ${waves[1]}`);
  const row = page.locator('section[aria-labelledby=runs] tbody tr').filter({ hasText: facts.failing.name });
  await explained(row);
  await row.getByRole('button').click();
  await page.waitForSelector('section[aria-labelledby=run] pre');
}

/** The record is checked by the browser, head and single entry. */
async function ledger({ page, base }) {
  await page.goto(`${base}/ledger`);
  await page.getByRole('button', { name: 'Verify in this browser' }).click();
  await page.waitForSelector('text=/Verified locally at/');
  await page.getByRole('button', { name: /^Check entry \d+$/ }).last().click();
  await page.waitForSelector('section[aria-labelledby=proof] >> text=/Verified locally at/');
  const steps = await page.locator('section[aria-labelledby=proof] .np-steps li').allTextContents();
  expect(steps.length === 4 && steps.every((step) => step.includes('ok')), `all four steps hold: ${steps.join('; ')}`);
}

/** The evidence pack can be had from the deployment's page. */
async function pack({ page, base, facts }) {
  await page.goto(`${base}/deployments/${facts.deployment}`);
  await page.getByRole('button', { name: 'Make an evidence pack' }).click();
  const link = page.getByRole('link', { name: /^Download/ });
  await link.waitFor({ timeout: 60_000 });
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  expect(!(await download.failure()), 'the pack arrives');
}

/** A token is shown once, with a line for the host that names the relay and not the token; it can be ended. */
async function enrolment({ page, base, facts }) {
  await page.goto(`${base}/enrolment`);
  await page.getByRole('button', { name: 'Make the token' }).click();
  const token = await page.getByRole('region', { name: 'Enrolment token', exact: true }).textContent();
  const line = await page.getByRole('region', { name: 'Enrol the host', exact: true }).textContent();
  expect(/^np1\.\S+\.[0-9a-f]{64}$/.test(token?.trim() ?? ''), 'a token is shown');
  expect(line?.includes(`--server ${facts.edge}`) && line.includes(`--relay ${facts.relay}`) && !line.includes('np1.'), `the line leads to the edge through the relay: ${line}`);
  await page.reload();
  await page.getByRole('button', { name: /^Revoke the token/ }).first().click();
  await page.waitForSelector('tbody >> text=revoked');
  expect((await page.getByRole('region', { name: 'Enrolment token', exact: true }).count()) === 0, 'the token is not shown again');
}

/** A window and a policy that waits in it are made by hand, off the demo's own. */
async function rules({ page, base }) {
  await page.goto(`${base}/windows/new`);
  await page.getByLabel('Name of the window').fill('Second Tuesday and two days');
  await page.getByLabel('Recurs').selectOption('month');
  await page.getByLabel('Days later').fill('2');
  await page.waitForSelector('section[aria-labelledby=preview] tbody tr:nth-child(5)');
  await until(async () => /second Tuesday, 2 days after.*opens next on/s.test((await page.locator('section[aria-labelledby=preview]').textContent()) ?? ''), 'the sentence says when it opens');
  await page.getByRole('button', { name: 'Create the window' }).click();
  await page.waitForSelector('section >> text=Second Tuesday and two days');
  await page.goto(`${base}/policies/new`);
  await page.getByLabel('Name of the policy').fill('By hand');
  await page.getByLabel(/^Second Tuesday and two days/).check();
  await until(async () => /The next window is Second Tuesday/.test((await page.locator('section[aria-labelledby=then]').textContent()) ?? ''), 'the sentence names the next window');
  await page.getByRole('button', { name: 'Create the policy' }).click();
  await page.waitForSelector('h2:has-text("By hand")');
}

/** The session ends; what was shown is not shown any more. */
async function signOut({ page, base }) {
  await page.goto(`${base}/hosts`);
  await page.waitForSelector('tbody tr');
  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.waitForSelector('input[name=password]');
  await page.goto(`${base}/hosts`);
  await page.waitForSelector('input[name=password]');
  expect(new URL(page.url()).pathname === '/sign-in', 'the address needs a sign-in again');
}

export const parts = [
  { name: 'posture: numbers lead to what they count', run: posture },
  { name: 'address and Back', run: filters },
  { name: 'queue and its arithmetic', run: queue },
  { name: 'host that failed', run: hostPage },
  { name: 'approvals', run: approvals },
  { name: 'deployment: waves, cause, next step', run: deployment },
  { name: 'ledger verified in the browser', run: ledger },
  { name: 'evidence pack', run: pack },
  { name: 'enrolment token and line', run: enrolment },
  { name: 'window and policy by hand', run: rules },
  { name: 'sign out', run: signOut },
];

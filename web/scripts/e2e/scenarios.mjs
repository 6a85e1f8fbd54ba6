// What a person does. Each scenario throws with a sentence when the portal does not do its part.
import { expect, signIn, until } from './steps.mjs';

/** Keyboard only: sign in, go to approvals, approve. */
async function keyboard({ page, url }) {
  await page.goto(`${url}/o/acme/queue`);
  await page.waitForSelector('input[name=email]');
  for (const text of ['otto@acme.example', 'battery staple']) {
    await page.keyboard.press('Tab');
    await page.keyboard.type(text);
  }
  await page.keyboard.press('Enter');
  await page.waitForSelector('h1:has-text("Queue")');
  expect(new URL(page.url()).pathname === '/o/acme/queue', 'sign-in leads back to the page that was wanted');
  await page.keyboard.press('Tab');
  expect((await page.evaluate(() => document.activeElement?.textContent))?.includes('Skip'), 'the first stop is the skip link');
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.waitForSelector('h1:has-text("Approvals")');
  await page.waitForSelector('tbody tr');
  await tabTo(page, 'Look at “openssl');
  await page.keyboard.press('Enter');
  await page.waitForSelector('textarea');
  await tabTo(page, 'Reason');
  await page.keyboard.type('canaries went well');
  await tabTo(page, 'Approve');
  await page.keyboard.press('Enter');
  await until(async () => (await page.locator('section[aria-labelledby=approval]').textContent())?.includes('canaries went well'), 'the decision is shown with its reason');
}

/** Presses Tab until the focus is on what has this accessible name. */
async function tabTo(page, name) {
  for (let at = 0; at < 120; at += 1) {
    const found = await page.evaluate((wanted) => {
      const active = document.activeElement;
      const label = active?.getAttribute('aria-label') ?? (active?.id ? document.querySelector(`label[for="${CSS.escape(active.id)}"]`)?.textContent : null) ?? active?.textContent ?? '';
      return label.startsWith(wanted);
    }, name);
    if (found) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`“${name}” cannot be reached by Tab`);
}

/** Who asks cannot approve, and is told what to do. */
async function selfApproval({ page, url }) {
  await signIn(page, url, 'tess');
  await page.goto(`${url}/o/acme/queue`);
  await page.getByLabel('Select perl 5.36.0-7+deb12u3').check();
  await page.getByRole('button', { name: 'Ask for approval' }).click();
  await page.waitForSelector('[role=dialog]');
  expect((await page.locator('[role=dialog]').textContent())?.includes('Acme Instruments'), 'the dialog names the organization');
  await page.getByRole('button', { name: 'Ask for 1 approval' }).click();
  await page.waitForSelector('[role=dialog]', { state: 'detached' });
  await page.goto(`${url}/o/acme/approvals`);
  await page.getByRole('button', { name: /Look at “perl/ }).click();
  await page.getByRole('button', { name: 'Approve', exact: true }).click();
  await page.waitForSelector('text=You asked for this yourself');
}

/** A dry run shows its counts before a deployment can be created. */
async function dryRun({ page, url }) {
  await page.goto(`${url}/o/acme/queue`);
  await page.getByLabel('Select sudo 1.9.13p3-1+deb12u2').check();
  await page.getByRole('button', { name: 'Plan a deployment' }).click();
  await page.getByRole('button', { name: 'Dry run' }).click();
  const commit = page.getByRole('button', { name: /^Create the deployment for \d+ hosts$/ });
  await commit.waitFor();
  const promised = Number(/\d+/.exec((await commit.textContent()) ?? '')?.[0]);
  await commit.click();
  await page.waitForSelector('section[aria-labelledby=waves]');
  expect(promised > 0 && page.url().includes('/deployments/deployment_new'), 'the new deployment is shown');
}

/** Pause asks for a reason and names what it touches; live counters move without a click. */
async function liveAndPause({ page, url }) {
  await page.goto(`${url}/o/acme/deployments/deployment_0002`);
  await page.waitForSelector('.np-mark:has-text("Live")');
  const succeeded = async () => Number(/(\d+) succeeded/.exec((await page.locator('section[aria-labelledby=waves] li').nth(1).textContent()) ?? '')?.[1] ?? 0);
  const before = await succeeded();
  await until(async () => (await succeeded()) > before, 'live counters move');
  await page.getByRole('button', { name: 'Pause' }).click();
  const dialog = page.locator('[role=dialog]');
  await dialog.waitFor();
  expect(/Acme Instruments: \d+ hosts/.test((await dialog.textContent()) ?? ''), 'the dialog names organization and hosts');
  await dialog.getByRole('button', { name: 'Pause' }).click();
  await page.waitForSelector('text=Write a reason');
  await dialog.getByLabel('Reason').fill('checking a report');
  await dialog.getByRole('button', { name: 'Pause' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.waitForSelector('.np-mark:has-text("paused")');
}

/** Filters are in the address; Back restores them; a number leads to exactly the rows that it counts. */
async function address({ page, url }) {
  await page.goto(`${url}/o/acme/posture`);
  const cell = page.locator('table.np-heat tbody tr').first().locator('td a').nth(1);
  await cell.waitFor();
  const promised = Number(/\d+/.exec((await cell.textContent()) ?? '')?.[0]);
  await cell.click();
  await page.waitForSelector('h1:has-text("Findings")');
  await page.waitForSelector('tbody tr');
  const total = Number(/\d+/.exec((await page.locator('nav[aria-label="Pages of the list"]').textContent()) ?? '')?.[0]);
  expect(total === promised, `the list has ${total} rows, the number said ${promised}`);
  const filtered = page.url();
  await page.getByLabel('Severity').selectOption('HIGH');
  await until(() => page.url().includes('severity=HIGH'), 'the filter is in the address');
  await page.goBack();
  await until(() => page.url() === filtered, 'Back restores the address');
  await until(async () => (await page.getByLabel('Severity').inputValue()) === 'CRITICAL', 'Back restores the filter');
  await page.goto(`${url}/o/acme/hosts?name=web`);
  await until(async () => (await page.getByLabel('Host name contains').inputValue()) === 'web', 'a link restores the filter');
  await page.waitForSelector('tbody tr');
  const names = await page.locator('tbody th').allTextContents();
  expect(names.length > 0 && names.every((name) => name.includes('web')), 'the filter filters');
}

/** The ledger is checked by the browser. */
async function ledger({ page, url }) {
  await page.goto(`${url}/o/acme/ledger`);
  await page.getByRole('button', { name: 'Verify in this browser' }).click();
  await page.waitForSelector('text=/Verified locally at/');
  await page.getByRole('button', { name: 'Check entry 3' }).click();
  await page.waitForSelector('section[aria-labelledby=proof] >> text=/Verified locally at/');
  const steps = await page.locator('section[aria-labelledby=proof] .np-steps li').allTextContents();
  expect(steps.length === 4 && steps.every((step) => step.includes('ok')), `all four steps hold: ${steps.join('; ')}`);
}

/** The evidence pack of a deployment can be had and downloaded. */
async function pack({ page, url }) {
  await page.goto(`${url}/o/acme/deployments/deployment_0003`);
  await page.getByRole('button', { name: 'Make an evidence pack' }).click();
  const link = page.getByRole('link', { name: /^Download/ });
  await link.waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  expect(!(await download.failure()), 'the pack arrives');
}

/** Ctrl-K goes anywhere; `?` explains the keys; the scheme can be switched. */
async function palette({ page, url }) {
  await page.goto(`${url}/o/acme/posture`);
  await page.waitForSelector('table.np-heat');
  await page.keyboard.press('Control+k');
  await page.waitForSelector('[role=dialog] input');
  await page.keyboard.type('North Sea');
  await page.waitForSelector('[role=dialog] >> text=North Sea MSP');
  await page.keyboard.press('Enter');
  await until(() => page.url().includes('/o/north-sea/'), 'the palette switches the organization');
  await page.keyboard.press('Escape');
  await page.waitForSelector('[role=dialog]', { state: 'detached' });
  await page.keyboard.press('?');
  await page.waitForSelector('[role=dialog] >> text=Keyboard shortcuts');
}

/** A new organization is led from nothing to its first policy, by keyboard where it matters. */
async function firstRun({ page, url }) {
  await signIn(page, url, 'tess');
  await page.goto(`${url}/o/new/posture`);
  const todo = page.locator('section[aria-labelledby=first-run]');
  await todo.getByRole('link', { name: 'Create a site' }).click();
  await page.getByLabel('Name of the site').fill('Ovens');
  await page.keyboard.press('Tab');
  await page.getByRole('button', { name: 'Create the site' }).click();
  await page.waitForSelector('h2:has-text("Ovens")');
  await page.goto(`${url}/o/new/relays/claim`);
  await page.getByLabel('Claim code of the relay').fill('bcdf ghjk');
  await page.keyboard.press('Enter');
  await page.waitForSelector('section[aria-labelledby=found] >> text=SB-2207-0042');
  expect(page.url().includes('code=BCDF-GHJK'), 'the code is in the address');
  await page.getByLabel('Name of the relay').fill('oven-relay');
  await page.getByRole('button', { name: /claim it for New Bakery/ }).click();
  await page.waitForSelector('text=oven-relay belongs to Ovens');
  await page.goto(`${url}/o/new/relays/claim?code=BCDF-GHJK`);
  await page.getByLabel('In place of').selectOption({ label: 'oven-relay, Ovens' });
  expect((await page.getByLabel('Name of the relay').count()) === 0, 'a relay that is replaced keeps its name');
  await page.getByRole('button', { name: /put it in place of oven-relay/ }).click();
  await page.waitForSelector('text=oven-relay belongs to Ovens');
  await page.goto(`${url}/o/new/enrolment`);
  await page.getByRole('button', { name: 'Make the token' }).click();
  const line = await page.getByRole('region', { name: 'Enrol the host', exact: true }).textContent();
  expect(line?.includes('netpatch-agent enroll --server') && !line.includes('np1.'), 'the token is not part of the line');
  await page.goto(`${url}/o/new/posture`);
  await page.waitForSelector('section[aria-labelledby=first-run] >> text=waiting');
  const lines = await todo.locator('li').allTextContents();
  expect(lines.slice(0, 3).every((one) => one.startsWith('✓')), `site, relay and token are ticked: ${lines.join(' / ')}`);
}

/** A window shows when it opens before it is made; a policy says what it would do. */
async function rules({ page, url }) {
  await page.goto(`${url}/o/new/windows/new`);
  await page.getByLabel('Name of the window').fill('Nights');
  await page.getByLabel('Recurs').selectOption('rule');
  await page.getByLabel('Recurrence rule').fill('FREQ=SOMETIMES');
  await page.waitForSelector('section[aria-labelledby=preview] >> text=not understood');
  await page.getByLabel('Recurs').selectOption('day');
  await page.waitForSelector('section[aria-labelledby=preview] tbody tr:nth-child(5)');
  await page.getByRole('button', { name: 'Create the window' }).click();
  await page.waitForSelector('h2:has-text("Nights")');
  await page.goto(`${url}/o/new/policies/new`);
  await page.getByLabel('Name of the policy').fill('Careful');
  const then = page.locator('section[aria-labelledby=then]');
  expect((await then.textContent())?.includes('nothing is installed'), 'without a window it says that nothing is installed');
  await page.getByLabel(/^Nights/).check();
  await until(async () => (await then.textContent())?.includes('The next window is Nights'), 'the sentence names the window');
  await page.getByLabel('Sizes of the waves').fill('one');
  await page.waitForSelector('text=Write sizes such as');
  await page.getByLabel('Sizes of the waves').fill('1, 100%');
  await page.getByRole('button', { name: 'Create the policy' }).click();
  await page.waitForSelector('h2:has-text("Careful")');
}

/** A webhook's secret and a person's password are shown once; a refusal is shown in the gateway's words. */
async function secrets({ page, url }) {
  await page.goto(`${url}/o/new/webhooks?make=true`);
  const dialog = page.locator('[role=dialog]');
  await dialog.getByLabel('Address').fill('http://inside.example');
  await dialog.getByRole('button', { name: 'Create the webhook' }).click();
  await page.waitForSelector('text=a webhook is reached by https');
  await dialog.getByLabel('Address').fill('https://outside.example/hook');
  await dialog.getByRole('button', { name: 'Create the webhook' }).click();
  await page.waitForSelector('text=/^whsec_/');
  await dialog.getByRole('button', { name: 'I have kept it' }).click();
  await page.waitForSelector('tbody >> text=outside.example');
  await page.goto(`${url}/o/new/access`);
  await page.getByLabel('Name', { exact: true }).fill('Bea Baker');
  await page.getByLabel('E-mail address').fill('bea@bakery.example');
  await page.getByRole('button', { name: 'Create the account' }).click();
  await page.waitForSelector('text=First password of bea@bakery.example');
  await page.waitForSelector('tbody >> text=Bea Baker');
}

/** Dates say why; a baseline and the weights are changed, and what does not add up cannot be sent. */
async function deadlines({ page, url }) {
  await page.goto(`${url}/o/acme/queue?order=deadline`);
  const due = page.locator('tbody details', { hasText: 'CISA BOD 26-04' }).first();
  await due.locator('summary').click();
  expect(await due.getByText('when it was seen first here').isVisible(), 'the date says from when it counts');
  await page.getByLabel('Only overdue').check();
  await until(async () => page.url().includes('overdue=true'), 'the filter stands in the address');
  await until(async () => (await page.locator('tbody tr:has(summary)').count()) === (await page.locator('tbody tr:has(summary):has-text("overdue")').count()), 'every row is overdue');
  await page.goto(`${url}/o/new/baselines?make=true`);
  const dialog = page.locator('[role=dialog]');
  await dialog.getByLabel('Name').fill('Ours');
  expect((await dialog.textContent())?.includes('CISA BOD 22-01 was revoked on 2026-06-10'), 'a revoked directive is named, not offered');
  await dialog.getByLabel('Critical: due within days').fill('5');
  await dialog.getByRole('button', { name: 'Follow this baseline' }).click();
  await page.waitForSelector('h2:has-text("Ours")');
  await page.waitForSelector('tbody >> text=5 days after it is seen first');
  await page.getByRole('button', { name: 'Follow no more' }).click();
  await page.waitForSelector('text=not followed');
  const weights = page.locator('section[aria-labelledby=weights]');
  const save = weights.getByRole('button', { name: 'Rank by these' });
  await weights.getByLabel('Who reaches the host').fill('9');
  expect(await save.isDisabled(), 'weights that do not add up cannot be sent');
  await weights.getByLabel('How much depends on the host').fill('1');
  await save.click();
  await page.waitForSelector('text=Version 1.');
}

/** A file with an error says where and writes nothing; mended it is written. A host's asset is edited, and only what was changed is sent. */
async function assets({ page, url }) {
  await page.goto(`${url}/o/acme/assets`);
  await page.waitForSelector('tbody tr');
  await page.getByRole('button', { name: 'Import a file' }).click();
  const dialog = page.locator('[role=dialog]');
  await dialog.waitFor();
  expect((await dialog.textContent())?.includes('Acme Instruments'), 'the dialog names the organization');
  const choose = async (text) => {
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), dialog.getByLabel('CSV file').click()]);
    await chooser.setFiles({ name: 'assets.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  };
  const write = dialog.getByRole('button', { name: 'Write it' });
  await choose('hostname,criticality\nweb,urgent\n');
  expect(await write.isDisabled(), 'nothing is written before the file was checked');
  await dialog.getByRole('button', { name: 'Check the file' }).click();
  await dialog.locator('[role=alert] tbody >> text=write critical, high, medium or low').waitFor();
  expect(await write.isDisabled(), 'a file with errors cannot be written');
  await choose('hostname,criticality\nweb,high\n');
  await dialog.getByRole('button', { name: 'Check the file' }).click();
  await dialog.locator('text=It would make 1 new').waitFor();
  await write.click();
  await dialog.locator('text=Written: 1 new').waitFor();
  await dialog.getByRole('button', { name: 'Close', exact: true }).click();
  await page.goto(`${url}/o/acme/hosts/host_0001`);
  const panel = page.locator('section[aria-labelledby=asset]');
  await panel.getByRole('button', { name: 'Edit' }).click();
  await panel.getByLabel('Owner').fill('Grace Example');
  const [sent] = await Promise.all([page.waitForRequest((request) => request.postData()?.includes('UpsertAsset') ?? false), panel.getByRole('button', { name: 'Save' }).click()]);
  const { fields } = JSON.parse(sent.postData() ?? '{}').variables.input;
  expect(JSON.stringify(fields) === '{"owner":"Grace Example"}', `only the owner is sent, not ${JSON.stringify(fields)}`);
  await panel.locator('dd >> text=Grace Example').waitFor();
  await page.goto(`${url}/o/acme/hosts/host_0000`);
  await panel.getByRole('button', { name: 'Say something' }).click();
  await panel.getByLabel('Department').fill('Finance');
  await panel.getByRole('button', { name: 'Save' }).click();
  await panel.locator('dd >> text=Finance').waitFor();
}

/** A host's tabs say what it is, what listens and what was refused; what was filtered is in the address. */
async function machine({ page, url }) {
  await page.goto(`${url}/o/acme/hosts/host_0000`);
  await page.getByRole('tab', { name: 'System' }).click();
  await page.waitForSelector('section[aria-labelledby=system] >> text=a reboot brings it');
  await page.waitForSelector('section[aria-labelledby=stale] tbody >> text=libcrypto.so.3');
  await page.getByRole('tab', { name: 'Listening' }).click();
  await page.waitForSelector('text=7 of 7 sockets');
  const row = (word) => page.locator('tbody tr', { hasText: word });
  expect((await row('5432').textContent())?.includes('only the host itself'), 'a loopback address is open to nobody else');
  expect((await row('9100').textContent())?.includes('firewall keeps others out'), 'the firewall closes a port');
  await page.getByLabel('Only what others may reach').check();
  await page.waitForSelector('text=4 of 7 sockets');
  expect((await row('443').textContent())?.includes('relay-berlin tried 10.20.0.15'), 'it says who reached the port');
  expect((await row('8080').count()) === 0, 'what the relay does not reach is not open, whatever the host says');
  expect((await row('9000').textContent())?.includes('IPv4 only'), 'a try by the other protocol does not count');
  expect(page.url().includes('exposed=true') && (await row('5432').count()) === 0, 'the filter filters and is in the address');
  await page.goto(`${url}/o/acme/hosts/host_0004?tab=listening`);
  await page.waitForSelector('text=No relay tries these ports');
  await page.locator('[role=tabpanel]').getByRole('link', { name: 'Sites and relays' }).click();
  const site = page.locator('section', { hasText: 'Boston' });
  await site.getByRole('button', { name: 'Allow probes: Boston' }).click();
  await site.locator('text=recorded in the ledger').waitFor();
  await site.getByRole('button', { name: 'Allow probes', exact: true }).click();
  await site.getByRole('button', { name: 'Stop the probes: Boston' }).waitFor();
  await site.getByRole('button', { name: 'Allow the proxy: Boston' }).click();
  await site.locator('text=without signing in').waitFor();
  await site.getByRole('button', { name: 'Allow the proxy', exact: true }).click();
  await site.getByRole('button', { name: 'Stop the proxy: Boston' }).click();
  await site.getByRole('button', { name: 'Allow the proxy: Boston' }).waitFor();
  await site.getByRole('button', { name: 'Stop the probes: Boston' }).waitFor();
  await page.goto(`${url}/o/acme/hosts/host_0004?tab=listening`);
  await page.waitForSelector('text=not tried lately');
  await page.goto(`${url}/o/acme/hosts/host_0000?tab=listening&name=nginx`);
  await page.waitForSelector('text=1 of 7 sockets');
  await page.getByRole('tab', { name: 'Refused updates' }).click();
  await page.waitForSelector('nav[aria-label="Pages of the list"] >> text=61');
  expect(!page.url().includes('name='), 'another tab begins without the filter of the one before');
  await page.getByRole('button', { name: 'Next' }).click();
  await until(async () => (await page.locator('tbody tr').count()) === 11, 'the second page has the rest');
  expect(page.url().includes('after=%2250%22'), 'the page is in the address');
  await page.getByLabel('Why not').selectOption('DISK_TOO_SMALL');
  await until(async () => (await page.locator('tbody tr').count()) === 1, 'one has too little space');
  expect((await page.locator('tbody').textContent())?.includes('make room'), 'it says what to do');
}

/** What a site's line carries, and when its relays fetch ahead. */
async function limits({ page, url }) {
  await page.goto(`${url}/o/acme/sites`);
  const site = page.locator('section', { hasText: 'Boston' });
  await site.locator('text=for sudo to all sites, wave 2').waitFor();
  await site.getByRole('button', { name: 'Change limits: Boston' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Add hours' }).click();
  const mbit = dialog.getByLabel('Mbit/s', { exact: true });
  await mbit.fill('0');
  expect(await dialog.getByRole('button', { name: 'Set limits' }).isDisabled(), 'nothing at all is no limit');
  await mbit.fill('2.5');
  await dialog.getByLabel('At all other times, Mbit/s').fill('50');
  await dialog.getByRole('button', { name: 'Set limits' }).click();
  await site.locator('text=Mon–Fri 08:00–18:00: 2.5 Mbit/s').waitFor();
  await site.locator('text=else: 50 Mbit/s').waitFor();
  await site.getByRole('button', { name: 'Change hours: Boston' }).click();
  await dialog.getByRole('button', { name: 'Add hours' }).click();
  await dialog.getByLabel('Sun', { exact: true }).uncheck();
  await dialog.getByRole('button', { name: 'Set hours' }).click();
  await site.locator('text=in Mon–Sat 20:00–06:00').waitFor();
}

/** From where a site's relays fetch, by the keyboard alone. */
async function mirrors({ page, url }) {
  await page.goto(`${url}/o/acme/sites`);
  const site = page.locator('section', { hasText: 'Boston' });
  await site.getByText('12 packages from the platform’s own store').waitFor();
  const change = site.getByRole('button', { name: 'Change mirrors: Boston' });
  await change.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  const field = dialog.getByLabel('http://security.example.com/debian');
  await field.focus();
  await page.keyboard.type('http://one.example.com/debian/');
  await page.keyboard.press('Enter');
  await page.keyboard.type('two.example.com');
  await dialog.getByText('“two.example.com” is not the address of a repository').waitFor();
  expect((await field.getAttribute('aria-invalid')) === 'true', 'the field says that it is wrong');
  expect(await dialog.getByRole('button', { name: 'Set mirrors' }).isDisabled(), 'what no relay can fetch from is not sent');
  for (const _ of 'two.example.com') await page.keyboard.press('Backspace');
  await page.keyboard.type('https://refused.example.com');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await dialog.getByText('is not the base URL of a repository').waitFor();
  await field.focus();
  for (const _ of 'https://refused.example.com') await page.keyboard.press('Backspace');
  await page.keyboard.type('https://two.example.com/debian');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await site.locator('text=http://security.example.com/debian: http://one.example.com/debian, https://two.example.com/debian').waitFor();
  await until(() => change.evaluate((button) => button === document.activeElement), 'the keyboard is back where it was');
}

export const scenarios = [
  { name: 'keyboard only: sign in, approve', run: keyboard, fresh: true },
  { name: 'self-approval is refused and explained', run: selfApproval, fresh: true },
  // While the mock's first deployment still runs.
  { name: 'limits of a site and hours of fetching ahead', run: limits },
  { name: 'mirrors of a site by the keyboard', run: mirrors },
  { name: 'dry run before a deployment', run: dryRun },
  { name: 'live counters and pause', run: liveAndPause },
  { name: 'address, Back and counts', run: address },
  { name: 'assets: import and edit', run: assets },
  { name: 'machine, sockets and refusals', run: machine },
  { name: 'ledger checked in the browser', run: ledger },
  { name: 'evidence pack', run: pack },
  { name: 'palette and keys', run: palette },
  { name: 'first run of a new organization', run: firstRun, fresh: true },
  { name: 'window and policy', run: rules },
  { name: 'deadlines, baselines and weights', run: deadlines },
  { name: 'secrets are shown once', run: secrets },
];

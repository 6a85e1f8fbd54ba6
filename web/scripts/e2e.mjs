// The built portal in Chromium against the mock platform: every page in both colour schemes under axe, then what
// people do. Screenshots go to E2E_SHOTS or a temporary folder, which is named at the end.
import { mkdtemp, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runnerImport } from 'vite';
import { violations } from './e2e/axe.mjs';
import { launch } from './e2e/browser.mjs';
import { tooWide } from './e2e/fits.mjs';
import { scenarios } from './e2e/scenarios.mjs';
import { signIn } from './e2e/steps.mjs';
import { pages } from './e2e/walk.mjs';
import { watch } from './e2e/watch.mjs';

const { module } = await runnerImport(new URL('../mock/server.ts', import.meta.url).pathname);
const dist = new URL('../dist', import.meta.url).pathname;
const shots = process.env.E2E_SHOTS ?? (await mkdtemp(join(tmpdir(), 'netpatch-shots-')));
await mkdir(shots, { recursive: true });
const only = process.env.E2E_ONLY;
const failures = [];
const desk = { width: 1280, height: 900 };
const phone = { width: 390, height: 844 };

async function walk(scheme) {
  const mock = await module.startMock({ dist });
  const { context, close } = await launch();
  let current = 'start';
  try {
    const page = await context.newPage();
    await page.setViewportSize(desk);
    watch(page, failures, () => `${current} (${scheme})`);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    for (const one of pages.filter((each) => !only || each.name.includes(only))) {
      current = one.name;
      if (!one.isPublic && (await context.cookies()).length === 0) await signIn(page, mock.url, 'tess');
      await page.goto(mock.url + one.path);
      try {
        await page.waitForSelector(one.ready, { timeout: 10_000 });
      } catch {
        failures.push(`${current} (${scheme}): “${one.ready}” does not appear`);
      }
      await page.screenshot({ path: join(shots, `${one.name}-${scheme}.png`), fullPage: true });
      await page.setViewportSize(phone);
      const over = await tooWide(page);
      if (over > 0) failures.push(`${current} (${scheme}): ${over} px too wide for ${phone.width} px`);
      if (scheme === 'light') await page.screenshot({ path: join(shots, `${one.name}-phone.png`), fullPage: true });
      await page.setViewportSize(desk);
      for (const line of await violations(page)) failures.push(`${current} (${scheme}): ${line}`);
    }
  } finally {
    await close();
    await mock.stop();
  }
}

async function act() {
  const mock = await module.startMock({ dist });
  let browser = await launch();
  try {
    let page;
    for (const { name, run, fresh } of scenarios.filter((each) => !only || each.name.includes(only) || each.fresh)) {
      if (fresh) {
        await browser.close();
        browser = await launch();
        page = await browser.context.newPage();
        watch(page, failures, () => name);
      }
      try {
        await run({ page, url: mock.url });
        console.log(`ok    ${name}`);
      } catch (error) {
        failures.push(`${name}: ${error.message}`);
        await page.screenshot({ path: join(shots, `failed-${name.replaceAll(/\W+/g, '-')}.png`) });
        console.log(`FAIL  ${name}`);
      }
    }
  } finally {
    await browser.close();
    await mock.stop();
  }
}

for (const scheme of ['light', 'dark']) {
  await walk(scheme);
  console.log(`walked ${pages.length} pages, ${scheme}`);
}
await act();
console.log(`screenshots: ${shots}`);
for (const failure of failures) console.error(failure);
console.log(failures.length === 0 ? 'e2e: passed' : `e2e: ${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);

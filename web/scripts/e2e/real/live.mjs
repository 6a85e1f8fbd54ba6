// A deployment's page while its first wave runs: paused and resumed by keyboard only, then it follows by itself to the end.
import { expect, until } from '../steps.mjs';

const waves = 'section[aria-labelledby=waves]';
const minutes = 60_000;

/** Tab until the focus is on the button with this text. */
async function tabTo(page, name) {
  for (let at = 0; at < 150; at += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.tagName === 'BUTTON' && document.activeElement.textContent === wanted, name)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`“${name}” cannot be reached by Tab`);
}

/** Presses a control, writes the reason where the focus lands, confirms: all by keyboard. */
async function control(page, name, reason) {
  await tabTo(page, name);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=dialog] textarea');
  await until(() => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'), 'the dialog asks for the reason at once');
  await page.keyboard.type(reason);
  await tabTo(page, name);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=dialog]', { state: 'detached' });
}

/** Opens the page before the first wave ends; pauses in the second, when the canary has already waited for its window. */
export async function live({ page, base, facts }) {
  page.setDefaultTimeout(minutes);
  await page.goto(`${base}/deployments/${facts.deployment}`);
  await page.waitForSelector('.np-mark:has-text("Live")');
  // From here on the page is not loaded again: everything that changes comes through the subscription.
  let loads = 0;
  page.on('request', (request) => {
    if (request.isNavigationRequest()) loads += 1;
  });
  const seen = [];
  let isPaused = false;
  const end = Date.now() + 15 * minutes;
  for (;;) {
    const texts = (await page.locator(`${waves} li`).allTextContents()).map((text) => text.replaceAll(/\s+/g, ' '));
    const now = texts.join(' / ');
    if (now !== seen.at(-1)) seen.push(now);
    if (await page.locator('main .np-mark:has-text("completed")').count()) break;
    if (!isPaused && /^Wave 2\b.*\bopen\b/.test(texts[1] ?? '')) {
      await pauseAndResume(page);
      isPaused = true;
    }
    expect(Date.now() < end, `the page follows the deployment to its end; it saw ${seen.at(-1)}`);
    await page.waitForTimeout(200);
  }
  expect(isPaused, `the second wave was seen open: ${seen.join(' → ')}`);
  expect(loads === 0, 'the page was not loaded again');
  expect(seen.length >= 4 && /1 rolled back/.test(seen.at(-1) ?? ''), `the counters moved by themselves: ${seen.join(' → ')}`);
  console.log(`ok    ${seen.length} states of the waves came through the subscription`);
}

async function pauseAndResume(page) {
  await control(page, 'Pause', 'looking at the canary first');
  await page.waitForSelector('main .np-mark:has-text("paused")');
  console.log('ok    paused by keyboard');
  await control(page, 'Resume', 'it looks good');
  await page.waitForSelector('main .np-mark:has-text("running")');
  console.log('ok    resumed by keyboard');
}

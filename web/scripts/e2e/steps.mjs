const people = { tess: ['tess@msp.example', 'correct horse'], otto: ['otto@acme.example', 'battery staple'] };
const deadlineMs = 10_000;

/** Throws the sentence negated when it does not hold. */
export function expect(holds, sentence) {
  if (!holds) throw new Error(`does not hold: ${sentence}`);
}

/** Polls a condition until it holds. */
export async function until(condition, sentence) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`does not hold after ${deadlineMs} ms: ${sentence}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Signs in through the page. */
export async function signIn(page, url, who) {
  const [email, password] = people[who];
  await page.goto(`${url}/sign-in`);
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  await page.click('button[type=submit]');
  await page.waitForSelector('table.np-heat');
}

import { signInAs } from './signin.mjs';

const people = { tess: ['tess@msp.example', 'correct horse'], otto: ['otto@acme.example', 'battery staple'] };
const deadlineMs = 30_000;

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

/** Signs in as one of the mock platform's people. */
export async function signIn(page, url, who) {
  const [email, password] = people[who];
  await signInAs(page, url, { email, password });
}

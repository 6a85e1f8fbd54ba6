import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** Violations of WCAG 2.0–2.2 A/AA on the page, as lines. */
export async function violations(page) {
  // Through the debugger and not a script element: the portal's content security policy forbids the latter.
  await page.evaluate(source);
  const result = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), rules);
  return result.violations.map((one) => `${one.id}: ${one.help}\n      ${one.nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary?.split('\n').slice(1).join(' ')}`).join('\n      ')}`);
}

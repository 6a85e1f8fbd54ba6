// Every page with the demo's data, in both colour schemes, on a desk and on a telephone.
import { join } from 'node:path';
import { violations } from '../axe.mjs';
import { tooWide } from '../fits.mjs';

const sizes = [
  { width: 1280, height: 900 },
  { width: 390, height: 844 },
];

/** The pages of the organization, and what shows that each is complete. */
export function pages({ hosts, failing, deployment, run, advisory }) {
  return [
    { name: 'posture', path: 'posture', ready: 'table.np-heat tbody td a' },
    { name: 'queue', path: 'queue', ready: 'tbody tr' },
    { name: 'findings', path: 'findings', ready: 'tbody tr' },
    { name: 'findings-by-advisory', path: 'findings?by=ADVISORY', ready: 'tbody tr' },
    { name: 'advisory', path: `advisories/${advisory}`, ready: 'section[aria-labelledby=affected] tbody tr' },
    { name: 'hosts', path: 'hosts', ready: `tbody tr:nth-child(${hosts.length})` },
    { name: 'host', path: `hosts/${failing.id}`, ready: 'section[aria-labelledby=why]' },
    { name: 'host-components', path: `hosts/${failing.id}?tab=components`, ready: 'tbody tr' },
    { name: 'host-system', path: `hosts/${failing.id}?tab=system`, ready: 'section[aria-labelledby=machine]' },
    { name: 'host-listening', path: `hosts/${failing.id}?tab=listening`, ready: '[role=tabpanel] p' },
    { name: 'host-refused', path: `hosts/${failing.id}?tab=refused`, ready: '[role=tabpanel] p' },
    { name: 'host-runs', path: `hosts/${failing.id}?tab=runs`, ready: 'tbody tr' },
    { name: 'approvals', path: 'approvals', ready: 'tbody tr, section.np-panel' },
    { name: 'approvals-decided', path: 'approvals?tab=decided', ready: 'tbody tr' },
    { name: 'deployments', path: 'deployments', ready: 'tbody tr' },
    { name: 'deployment', path: `deployments/${deployment}?run=${run}`, ready: 'section[aria-labelledby=run] pre' },
    { name: 'policies', path: 'policies', ready: 'tbody tr' },
    { name: 'policy-new', path: 'policies/new', ready: 'section[aria-labelledby=then]' },
    { name: 'windows', path: 'windows', ready: 'section.np-panel table' },
    { name: 'window-new', path: 'windows/new', ready: 'section[aria-labelledby=preview] tbody tr:nth-child(5)' },
    { name: 'sites', path: 'sites', ready: 'tbody tr' },
    { name: 'site-new', path: 'sites?make=true', ready: '[role=dialog] textarea' },
    { name: 'claim', path: 'relays/claim', ready: 'section[aria-labelledby=code] details' },
    { name: 'enrolment', path: 'enrolment', ready: 'section[aria-labelledby=tokens] tbody tr' },
    { name: 'ledger', path: 'ledger', ready: 'tbody tr' },
    { name: 'feeds', path: 'feeds', ready: 'tbody tr' },
    { name: 'reports', path: 'reports', ready: 'tbody tr, section.np-panel' },
    { name: 'webhooks', path: 'webhooks', ready: 'tbody tr, section.np-panel' },
    { name: 'access', path: 'access', ready: 'section.np-panel, tbody tr' },
  ];
}

/** Looks at each page: it appears, says how fresh it is, fits the screen, and has no violation of WCAG 2.2 AA. */
export async function walk(page, base, list, shots, failures, at) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const one of list) {
      const what = `${one.name} (${colorScheme})`;
      at(what);
      await page.setViewportSize(sizes[0]);
      await page.goto(`${base}/${one.path}`);
      try {
        await page.waitForSelector(one.ready, { timeout: 20_000 });
        await page.waitForSelector('main >> text=/As of /', { timeout: 20_000 });
      } catch {
        failures.push(`${what}: “${one.ready}” and “As of” do not appear`);
      }
      for (const size of sizes) {
        await page.setViewportSize(size);
        const over = await tooWide(page);
        if (over > 0) failures.push(`${what}: ${over} px too wide for ${size.width} px`);
        await page.screenshot({ path: join(shots, `${one.name}-${colorScheme}-${size.width}.png`), fullPage: true });
      }
      await page.setViewportSize(sizes[0]);
      for (const line of await violations(page)) failures.push(`${what}: ${line}`);
    }
  }
}

import { expect, it } from 'vitest';
import { enrolLine } from './line.ts';

it('keeps the token out of the command and lets nothing from outside break it', () => {
  const line = enrolLine('patch.example:8443', '10.0.0.1:7443');
  expect(line).toContain('enroll --server patch.example:8443 --token-file /run/netpatch-token --relay 10.0.0.1:7443; rm');
  expect(enrolLine("a'; reboot #:1", null)).toContain('--server areboot:1 --token-file');
  expect(enrolLine('[::1]:8443', null)).toContain('--server [::1]:8443 ');
});

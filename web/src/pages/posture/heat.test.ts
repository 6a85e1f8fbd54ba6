import { describe, expect, it } from 'vitest';
import { heatStep, share, sumBySeverity } from './heat.ts';

const cell = { severity: 'HIGH', hosts: 10, compliant: 3, unknown: 4, findings: 9 };

describe('heat', () => {
  it('never counts a host as compliant whose state is not known', () => {
    expect(share(cell)).toBe(0.5);
    expect(share({ ...cell, compliant: 0, unknown: 10 })).toBeNull();
  });

  it('adds sites up by severity, worst first', () => {
    const sum = sumBySeverity([cell, { ...cell, hosts: 5 }, { ...cell, severity: 'LOW' }]);
    expect(sum.map((one) => one.severity)).toEqual(['CRITICAL', 'HIGH', 'UNKNOWN', 'MEDIUM', 'LOW']);
    expect(sum[1]?.hosts).toBe(15);
    expect(sum[4]?.hosts).toBe(10);
  });

  it('has five steps and none for what is not known', () => {
    expect([1, 0.95, 0.8, 0.6, 0].map(heatStep)).toEqual(['np-heat-0', 'np-heat-1', 'np-heat-2', 'np-heat-3', 'np-heat-4']);
    expect(heatStep(null)).toBe('');
  });
});

import { severities } from '../../ui/status.tsx';

/** Counters of one site or customer for one severity, as the API gives them. */
export interface Cell {
  severity: string;
  hosts: number;
  compliant: number;
  unknown: number;
  findings: number;
}

/** Cells of the same severity added up; in the order of `severities`. */
export function sumBySeverity(cells: readonly Cell[]): Cell[] {
  return severities.map((severity) =>
    cells
      .filter((cell) => cell.severity === severity)
      .reduce(
        (sum, cell) => ({
          severity,
          hosts: sum.hosts + cell.hosts,
          compliant: sum.compliant + cell.compliant,
          unknown: sum.unknown + cell.unknown,
          findings: sum.findings + cell.findings,
        }),
        { severity, hosts: 0, compliant: 0, unknown: 0, findings: 0 },
      ),
  );
}

/** Share of the hosts whose state is known that have no open finding; null: no host's state is known. */
export function share(cell: Cell): number | null {
  const known = cell.hosts - cell.unknown;
  return known > 0 ? cell.compliant / known : null;
}

/** The smallest share over all severities: a lower bound of it was never shown as better than it is. */
export function worstShare(cells: readonly Cell[]): number | null {
  const shares = cells.map(share).filter((one) => one !== null);
  return shares.length > 0 ? Math.min(...shares) : null;
}

/** Which of five steps; dark is worse. */
export function heatStep(value: number | null): string {
  if (value === null) return '';
  const step = [0.98, 0.9, 0.75, 0.5].findIndex((limit) => value >= limit);
  return `np-heat-${step === -1 ? 4 : step}`;
}

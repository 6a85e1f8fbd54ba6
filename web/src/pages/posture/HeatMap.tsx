import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';
import { SeverityMark, severities } from '../../ui/status.tsx';
import { heatStep, share, type Cell } from './heat.ts';

/** What a line says. */
export interface HeatRow {
  /** Whose pages the numbers lead to. */
  slug: string;
  /** Undefined: all sites. */
  site: string | undefined;
  name: ReactNode;
  cells: readonly Cell[];
}

interface Props {
  caption: string;
  nameHeader: string;
  /** `HeatLine`s. */
  children: ReactNode;
}

/** Compliance as a table: numbers first, colour second. */
export function HeatMap({ caption, nameHeader, children }: Props) {
  const text = useText();
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="np-table-frame" role="region" aria-label={caption} tabIndex={0}>
      <table className="np-table np-heat">
        <caption className="np-hidden">{`${caption}. ${text('posture.map.legend')}`}</caption>
        <thead>
          <tr>
            <th scope="col">{nameHeader}</th>
            <th scope="col" className="np-num">
              {text('posture.hosts')}
            </th>
            {severities.map((severity) => (
              <th key={severity} scope="col">
                <SeverityMark value={severity} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** One line of the map. */
export function HeatLine({ row }: { row: HeatRow }) {
  return (
    <tr>
      <th scope="row">{row.name}</th>
      <td className="np-num">
        <Link to="/o/$org/hosts" params={{ org: row.slug }} search={{ site: row.site }}>
          {row.cells[0]?.hosts ?? 0}
        </Link>
      </td>
      {row.cells.map((cell) => (
        <HeatCell key={cell.severity} cell={cell} row={row} />
      ))}
    </tr>
  );
}

function HeatCell({ cell, row }: { cell: Cell; row: HeatRow }) {
  const text = useText();
  const intl = useIntl();
  const part = share(cell);
  const severity = severities.find((one) => one === cell.severity);
  return (
    <td className={heatStep(part)}>
      <span className="np-heat-percent">
        {part === null ? text('posture.percent.none') : intl.formatNumber(part, { style: 'percent', maximumFractionDigits: 1 })}
      </span>
      <br />
      {cell.findings > 0 ? (
        <Link to="/o/$org/findings" params={{ org: row.slug }} search={{ severity, site: row.site }}>
          {text('posture.findings', { count: cell.findings })}
        </Link>
      ) : (
        text('posture.findings', { count: 0 })
      )}
      {cell.unknown > 0 ? (
        <span className="np-heat-stale">
          <Link to="/o/$org/hosts" params={{ org: row.slug }} search={{ site: row.site, unknown: true }}>
            {text('posture.stale', { count: cell.unknown })}
          </Link>
        </span>
      ) : null}
    </td>
  );
}

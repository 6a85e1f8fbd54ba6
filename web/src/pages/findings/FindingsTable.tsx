import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Due } from '../../ui/Due.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { SeverityMark, Status } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import { Arithmetic } from '../queue/Arithmetic.tsx';
import { EvidenceLine } from './EvidenceLine.tsx';
import type { Finding } from './queries.ts';

interface Props {
  rows: readonly Finding[];
  org: string;
  total?: number | undefined;
  /** On a host's own page its name is not repeated. */
  withHost?: boolean;
}

/** Findings with their evidence. */
export function FindingsTable({ rows, org, total, withHost = true }: Props) {
  const text = useText();
  const columns = useMemo(() => {
    const host: Column<Finding> = {
      id: 'host',
      header: text('findings.host'),
      cell: (row) =>
        row.host ? (
          <Link to="/o/$org/hosts/$host" params={{ org, host: row.host.id }}>
            {row.hostname}
          </Link>
        ) : (
          row.hostname
        ),
    };
    return [...first(text, org), ...(withHost ? [host] : []), ...rest(text)];
  }, [org, text, withHost]);
  return <DataTable caption={text('findings.title')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.advisory?.name ?? row.evidence.record} total={total} />;
}

type Text = ReturnType<typeof useText>;

function first(text: Text, org: string): Column<Finding>[] {
  return [
    {
      id: 'advisory',
      header: text('findings.advisory'),
      cell: ({ advisory, evidence }) =>
        advisory ? (
          <>
            <Link to="/o/$org/advisories/$advisory" params={{ org, advisory: advisory.id }}>
              {advisory.name}
            </Link>{' '}
            {advisory.isKnownExploited ? <Mark tone="critical">{text('queue.kev')}</Mark> : null}
          </>
        ) : (
          evidence.record
        ),
    },
    { id: 'risk', header: text('queue.risk'), cell: ({ risk }) => <Arithmetic risk={risk} /> },
    { id: 'severity', header: text('filter.severity'), cell: ({ advisory }) => (advisory ? <SeverityMark value={advisory.severity} /> : text('unknown.value')) },
  ];
}

function rest(text: Text): Column<Finding>[] {
  return [
    {
      id: 'component',
      header: text('findings.component'),
      cell: ({ component, evidence }) => (
        <>
          {component.name}
          <br />
          <span className="np-mono">
            {evidence.installedVersion} → {evidence.fixedVersion || text('findings.nofix')}
          </span>
        </>
      ),
    },
    {
      id: 'state',
      header: text('findings.state'),
      cell: ({ applicability, offer }) => (
        <>
          <Status of="applicability" value={applicability} />
          {offer ? (
            <>
              <br />
              <span className="np-muted">{text('findings.offer', { version: offer.version, label: offer.label, suite: offer.suite })}</span>
            </>
          ) : null}
        </>
      ),
    },
    { id: 'due', header: text('due.head'), cell: ({ deadline }) => <Due deadline={deadline} /> },
    { id: 'first', header: text('findings.first'), cell: ({ firstSeenAt }) => <Ago at={firstSeenAt} /> },
    { id: 'evidence', header: text('findings.evidence'), cell: ({ evidence }) => <EvidenceLine evidence={evidence} /> },
  ];
}

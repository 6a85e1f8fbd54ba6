import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { SeverityMark } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import type { FindingGroup, Grouping } from './queries.ts';

interface Props {
  rows: readonly FindingGroup[];
  by: Grouping;
  org: string;
  total?: number | undefined;
}

/** Findings counted together: what they have in common, and on how many hosts. */
export function GroupsTable({ rows, by, org, total }: Props) {
  const text = useText();
  const intl = useIntl();
  const columns = useMemo(
    (): Column<FindingGroup>[] => [
      { id: 'name', header: text(`findings.by.${by}`), cell: (group) => <GroupName group={group} org={org} /> },
      { id: 'risk', header: text('queue.risk'), cell: ({ score }) => <span className="np-mono">{intl.formatNumber(score, { maximumFractionDigits: 1 })}</span> },
      {
        id: 'severity',
        header: text('filter.severity'),
        cell: ({ severity, isKnownExploited }) => (
          <>
            <SeverityMark value={severity} /> {isKnownExploited ? <Mark tone="critical">{text('queue.kev')}</Mark> : null}
          </>
        ),
      },
      { id: 'affects', header: text('queue.affects'), cell: ({ findingCount, hostCount }) => text('queue.counts', { findings: findingCount, hosts: hostCount }) },
      { id: 'first', header: text('findings.first'), cell: ({ firstSeenAt }) => <Ago at={firstSeenAt} /> },
    ],
    [by, intl, org, text],
  );
  return <DataTable caption={text('findings.title')} rows={rows} columns={columns} rowId={groupId} rowName={groupName} total={total} />;
}

const groupId = ({ advisory, patch, host }: FindingGroup) => advisory?.id ?? patch?.id ?? host?.id ?? 'none';
const groupName = ({ advisory, patch, host }: FindingGroup) => advisory?.name ?? patch?.name ?? host?.hostname ?? '';

/** The name leads to the findings behind the numbers. */
function GroupName({ group: { advisory, patch, host, organization }, org }: { group: FindingGroup; org: string }) {
  const text = useText();
  const slug = organization?.slug ?? org;
  if (advisory) {
    return (
      <>
        <Link to="/o/$org/advisories/$advisory" params={{ org, advisory: advisory.id }}>
          {advisory.name}
        </Link>
        <br />
        <span className="np-muted">{advisory.summary}</span>
      </>
    );
  }
  if (patch) {
    return (
      <Link to="/o/$org/findings" params={{ org: slug }} search={{ patch: patch.id }}>
        {patch.name} <span className="np-mono">{patch.fixedVersion}</span>
      </Link>
    );
  }
  if (host) {
    return (
      <Link to="/o/$org/findings" params={{ org: slug }} search={{ host: host.id }}>
        {host.hostname}
      </Link>
    );
  }
  return <span className="np-muted">{text('findings.by.none')}</span>;
}

import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Status } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import type { Run } from './queries.ts';
import { RunReason } from './RunReason.tsx';

const RunDetails = lazy(() => import('./RunDetails.tsx').then((module) => ({ default: module.RunDetails })));

interface Props {
  rows: readonly Run[];
  org: string;
  /** Which way a run is named: by its host on a deployment's page, by its deployment on a host's. */
  by: 'host' | 'deployment';
  total?: number | undefined;
  open: string | undefined;
  onOpen: (run: string | undefined) => void;
}

/** Runs with code, plain reason and next step; details on demand. */
export function RunsTable({ rows, org, by, total, open, onOpen }: Props) {
  const text = useText();
  const columns = useMemo<Column<Run>[]>(
    () => [
      by === 'host'
        ? { id: 'host', header: text('runs.host'), cell: (run) => <HostLink run={run} org={org} /> }
        : { id: 'deployment', header: text('runs.deployment'), cell: (run) => <DeploymentLink run={run} org={org} /> },
      { id: 'wave', header: text('runs.wave'), isNumber: true, cell: (run) => run.wave?.ordinal ?? '–' },
      { id: 'status', header: text('runs.status'), cell: (run) => <Status of="run" value={run.isSilent ? 'SILENT' : run.status} /> },
      { id: 'reason', header: text('runs.reason'), cell: (run) => <span className="np-wide"><RunReason run={run} /></span> },
      { id: 'last', header: text('runs.last'), cell: (run) => <Ago at={run.endedAt ?? run.lastEventAt ?? run.startedAt} none={text('time.none')} /> },
      {
        id: 'details',
        header: text('runs.journal'),
        cell: (run) => (
          <Button
            size="compact-sm"
            variant="default"
            aria-expanded={open === run.id}
            aria-label={`${text(open === run.id ? 'runs.close' : 'runs.journal')}: ${run.host?.hostname ?? run.id}`}
            onClick={() => onOpen(open === run.id ? undefined : run.id)}
          >
            {open === run.id ? text('runs.close') : text('runs.journal')}
          </Button>
        ),
      },
    ],
    [by, onOpen, open, org, text],
  );
  const shown = rows.find((run) => run.id === open);
  return (
    <>
      <DataTable caption={text('deployment.runs')} rows={rows} columns={columns} rowId={(run) => run.id} rowName={(run) => run.host?.hostname ?? run.id} total={total} />
      <Suspense fallback={null}>{shown ? <RunDetails run={shown} onClose={() => onOpen(undefined)} /> : null}</Suspense>
    </>
  );
}

function HostLink({ run, org }: { run: Run; org: string }) {
  const text = useText();
  if (!run.host) return text('unknown.value');
  return (
    <Link className="np-nowrap" to="/o/$org/hosts/$host" params={{ org, host: run.host.id }} search={{ tab: 'runs' }}>
      {run.host.hostname}
    </Link>
  );
}

function DeploymentLink({ run, org }: { run: Run; org: string }) {
  const text = useText();
  if (!run.deployment) return text('unknown.value');
  return (
    <Link to="/o/$org/deployments/$deployment" params={{ org, deployment: run.deployment.id }}>
      {run.deployment.name}
    </Link>
  );
}

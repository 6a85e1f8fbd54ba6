import { Button, Group } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark, type Tone } from '../../ui/Mark.tsx';
import { Moment } from '../../ui/Time.tsx';
import { DelegationDialog, type Wanted } from './DelegationDialog.tsx';
import { PartnersQuery, type Delegation } from './queries.ts';

const tones: Record<string, Tone> = { ACTIVE: 'good', PENDING: 'wait', EXPIRED: 'calm', REVOKED: 'calm' };

/** Which partners may act here; the customer decides, and can end it at any time. */
export function Partners() {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [state, ask] = useQuery({ query: PartnersQuery, variables: { id } });
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const columns = useMemo<Column<Delegation>[]>(
    () => [
      { id: 'partner', header: text('organization.partner'), cell: (row) => row.partner?.name ?? text('unknown.value') },
      { id: 'roles', header: text('access.roles'), cell: (row) => row.roles.map((role) => word('role', role)).join(', ') },
      { id: 'state', header: text('filter.status'), cell: (row) => <Mark tone={tones[row.status] ?? 'calm'}>{word('delegation', row.status)}</Mark> },
      { id: 'until', header: text('enrolment.until'), cell: (row) => <Moment at={row.expiresAt} /> },
      {
        id: 'act',
        header: text('access.decide'),
        cell: (row) => (
          <Group gap="xs" wrap="nowrap">
            {row.status === 'PENDING' ? (
              <Button size="xs" onClick={() => setWanted({ delegation: row, isApproved: true })}>
                {text('approval.approve')}
              </Button>
            ) : null}
            {row.status === 'PENDING' || row.status === 'ACTIVE' ? (
              <Button size="xs" variant="default" onClick={() => setWanted({ delegation: row, isApproved: false })}>
                {text(row.status === 'ACTIVE' ? 'access.revoke' : 'approval.decline')}
              </Button>
            ) : (
              '–'
            )}
          </Group>
        ),
      },
    ],
    [text, word],
  );
  return (
    <>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => {
          const rows = organization?.delegations ?? [];
          if (rows.length === 0) return <Empty title={text('access.partners.none.title')} body={text('access.partners.none.body')} />;
          return <DataTable caption={text('access.partners')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.partner?.name ?? row.id} total={rows.length} />;
        }}
      </Loaded>
      {wanted ? <DelegationDialog wanted={wanted} onClose={() => setWanted(null)} /> : null}
    </>
  );
}

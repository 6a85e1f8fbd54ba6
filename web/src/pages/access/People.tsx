import { Stack } from '@mantine/core';
import { useMemo } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { MembersQuery, type Member } from './queries.ts';
import { NewPerson } from './NewPerson.tsx';

/** Who signs in here, and as what. */
export function People() {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [state, ask] = useQuery({ query: MembersQuery, variables: { id } });
  const refresh = () => ask({ requestPolicy: 'network-only' });
  const columns = useMemo<Column<Member>[]>(
    () => [
      { id: 'name', header: text('access.name'), cell: (row) => row.name },
      { id: 'email', header: text('signin.email'), cell: (row) => row.email },
      { id: 'roles', header: text('access.roles'), cell: (row) => row.roles.map((role) => word('role', role)).join(', ') || text('access.roles.none') },
      { id: 'state', header: text('filter.status'), cell: (row) => <Mark tone={row.isActive ? 'good' : 'calm'}>{text(row.isActive ? 'access.active' : 'access.inactive')}</Mark> },
    ],
    [text, word],
  );
  return (
    <Stack>
      <Loaded state={state} retry={refresh}>
        {({ organization }) => {
          const rows = organization?.members ?? [];
          if (rows.length === 0) return text('access.people.none');
          return <DataTable caption={text('access.people')} rows={rows} columns={columns} rowId={(row) => row.email} rowName={(row) => row.name} total={rows.length} />;
        }}
      </Loaded>
      <NewPerson onMade={refresh} />
    </Stack>
  );
}

import { Checkbox, NativeSelect, Stack, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Moment } from '../../ui/Time.tsx';
import type { Draft } from './draft.ts';
import { TargetsQuery } from './queries.ts';

/** Which hosts, and in which windows. */
export function Targets({ draft, set }: { draft: Draft; set: (part: Partial<Draft>) => void }) {
  const text = useText();
  const { id, slug } = useOrganization();
  const [{ data }] = useQuery({ query: TargetsQuery, variables: { id } });
  const groups = data?.organization?.groups ?? [];
  const windows = data?.windows?.nodes.filter((one) => !one.isBlackout) ?? [];
  return (
    <>
      <NativeSelect
        label={text('policies.group')}
        maw={420}
        value={draft.group}
        data={[{ value: '', label: text('policies.group.all') }, ...groups.map((one) => ({ value: one.id, label: one.name }))]}
        onChange={(event) => set({ group: event.currentTarget.value })}
      />
      {data && windows.length === 0 ? (
        <Text>
          {text('policies.new.nowindow')}{' '}
          <Link className="np-link" to="/o/$org/windows/new" params={{ org: slug }}>
            {text('windows.new')}
          </Link>
        </Text>
      ) : (
        <Checkbox.Group label={text('policies.windows')} description={text('policies.new.windows.what')} value={[...draft.windows]} onChange={(next) => set({ windows: next })}>
          <Stack gap="xs" mt={6}>
            {windows.map((one) => (
              <Checkbox
                key={one.id}
                value={one.id}
                label={
                  <>
                    {one.name} <span className="np-muted">{text('policies.new.opens')} <Moment at={one.nextStart} /></span>
                  </>
                }
              />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
    </>
  );
}

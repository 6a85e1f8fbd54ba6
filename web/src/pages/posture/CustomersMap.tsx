import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useText } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { sumBySeverity } from './heat.ts';
import { HeatMap, type HeatRow } from './HeatMap.tsx';
import { CustomersQuery } from './queries.ts';

/** A partner's map: all customers that it may see, and itself if it has hosts. */
export function CustomersMap() {
  const text = useText();
  const [state, ask] = useQuery({ query: CustomersQuery });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {(data) => {
        const rows: HeatRow[] = (data.viewer.organizations?.nodes ?? [])
          .filter((one) => (one.compliance?.cells.length ?? 0) > 0)
          .map((one) => ({
            id: one.id,
            slug: one.slug,
            site: undefined,
            name: (
              <Link to="/o/$org/posture" params={{ org: one.slug }}>
                {one.name}
              </Link>
            ),
            cells: sumBySeverity(one.compliance?.cells ?? []),
          }));
        return (
          <>
            <HeatMap caption={text('posture.map.customers')} nameHeader={text('posture.customer')} rows={rows} />
            <Text size="sm" className="np-muted">
              {text('posture.map.legend')}
            </Text>
          </>
        );
      }}
    </Loaded>
  );
}

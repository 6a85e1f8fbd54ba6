import { Skeleton, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganizations, type Organization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { severities } from '../../ui/status.tsx';
import { sumBySeverity } from './heat.ts';
import { HeatLine, HeatMap } from './HeatMap.tsx';
import { PostureQuery } from './queries.ts';

/** A partner's map: all organizations that it may see. Each line asks for itself, so that none waits for another. */
export function CustomersMap() {
  const text = useText();
  const { all } = useOrganizations();
  return (
    <>
      <HeatMap caption={text('posture.map.customers')} nameHeader={text('posture.customer')}>
        {all.map((one) => (
          <CustomerLine key={one.id} organization={one} />
        ))}
      </HeatMap>
      <Text size="sm" className="np-muted">
        {text('posture.map.legend')}
      </Text>
    </>
  );
}

function CustomerLine({ organization }: { organization: Organization }) {
  const text = useText();
  const [{ data, error }] = useQuery({ query: PostureQuery, variables: { id: organization.id } });
  const name = (
    <Link to="/o/$org/posture" params={{ org: organization.slug }}>
      {organization.name}
    </Link>
  );
  const cells = data?.organization?.compliance?.cells ?? [];
  if (cells.length > 0) return <HeatLine row={{ slug: organization.slug, site: undefined, name, cells: sumBySeverity(cells) }} />;
  const isLoading = !data && !error;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td colSpan={severities.length + 1} className="np-muted">
        {isLoading ? <Skeleton height={20} /> : text(error ? 'problem.title' : 'posture.customer.none')}
      </td>
    </tr>
  );
}

import { useQuery } from 'urql';
import { graphql } from '../api/graphql.ts';
import { useOrganization } from '../app/organization.ts';
import { useText } from '../i18n/text.ts';
import { Choice } from './Filters.tsx';

const SiteNamesQuery = graphql(`
  query SiteNames($id: ID!) {
    organization(id: $id) { id sites(first: 100) { nodes { id name } } }
  }
`);

/** One site of the organization, or any. */
export function SiteChoice({ value, onChange }: { value: string | undefined; onChange: (value: string | undefined) => void }) {
  const text = useText();
  const { id } = useOrganization();
  const [{ data }] = useQuery({ query: SiteNamesQuery, variables: { id }, requestPolicy: 'cache-first' });
  const sites = data?.organization?.sites?.nodes ?? [];
  const options = sites.map((site) => ({ value: site.id, label: site.name }));
  return <Choice label={text('filter.site')} value={value} onChange={onChange} options={options} />;
}

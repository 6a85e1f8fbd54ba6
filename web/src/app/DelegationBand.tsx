import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql.ts';
import { useText } from '../i18n/text.ts';
import { useOrganizations } from './organization.ts';

const DelegationsQuery = graphql(`
  query Delegations($id: ID!) {
    organization(id: $id) {
      id
      delegations { id status expiresAt roles partner { id name } customer { id } }
    }
  }
`);

/** A coloured band for who acts in somebody else's organization. */
export function DelegationBand() {
  const text = useText();
  const intl = useIntl();
  const { organization, all } = useOrganizations();
  const [{ data }] = useQuery({ query: DelegationsQuery, variables: { id: organization.id }, requestPolicy: 'cache-first' });
  const mine = new Set(all.map((one) => one.id));
  const delegation = data?.organization?.delegations?.find(
    (one) => one.status === 'ACTIVE' && one.customer?.id === organization.id && one.partner && mine.has(one.partner.id),
  );
  if (!delegation?.partner) return null;
  const until = intl.formatDate(delegation.expiresAt, { dateStyle: 'medium' });
  return (
    <p className="np-band" style={{ margin: 'calc(var(--mantine-spacing-md) * -1) calc(var(--mantine-spacing-md) * -1) var(--mantine-spacing-md)' }}>
      {text('organization.delegated', { customer: organization.name, partner: delegation.partner.name, until })}
    </p>
  );
}

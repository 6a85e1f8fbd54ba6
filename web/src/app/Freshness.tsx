import { Group } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql.ts';
import { useText } from '../i18n/text.ts';
import { useOrganization } from './organization.ts';
import { staleSince } from './stale.ts';

const FreshnessQuery = graphql(`
  query Freshness($id: ID!, $since: DateTime!) {
    organization(id: $id) {
      id
      compliance { id asOf cells { severity hosts unknown } }
      all: hosts(first: 1) { totalCount { value display } }
      stale: hosts(first: 1, filter: { notSeenSince: $since }) { totalCount { value display } }
    }
  }
`);

/** On every page, above everything: how old the picture is and how many hosts it says nothing about. */
export function Freshness() {
  const text = useText();
  const intl = useIntl();
  const { id, slug } = useOrganization();
  const [{ data }] = useQuery({ query: FreshnessQuery, variables: { id, since: staleSince() } });
  const found = data?.organization;
  if (!found) return <div style={{ minHeight: 28 }} />;
  const stale = found.stale?.totalCount?.value ?? 0;
  const unknown = (found.compliance?.cells ?? []).filter((cell) => cell.severity === 'CRITICAL').reduce((sum, cell) => sum + cell.unknown, 0);
  const asOf = found.compliance?.asOf;
  const params = { org: slug };
  return (
    <Group gap="md" mb="sm" className="np-muted" style={{ fontSize: '0.9rem', minHeight: 28 }}>
      {asOf ? <span>{text('freshness.asof', { when: intl.formatDate(asOf, { dateStyle: 'medium', timeStyle: 'medium' }) })}</span> : null}
      <Link className="np-link" to="/o/$org/hosts" params={params}>
        {text('freshness.hosts', { count: found.all?.totalCount?.value ?? 0 })}
      </Link>
      <Link className="np-link" to="/o/$org/hosts" params={params} search={{ stale: true }}>
        {text('freshness.stale', { count: stale })}
      </Link>
      <strong style={{ color: unknown > 0 ? 'var(--mantine-color-text)' : undefined }}>{text('freshness.unknown', { count: unknown })}</strong>
    </Group>
  );
}

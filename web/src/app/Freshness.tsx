import { Group } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql.ts';
import { useText } from '../i18n/text.ts';
import { useOrganization, useScope } from './organization.ts';

const FreshnessQuery = graphql(`
  query Freshness($all: HostFilter!, $unknown: HostFilter!, $never: HostFilter!) {
    all: hosts(first: 1, filter: $all) { totalCount { value display } }
    unknown: hosts(first: 1, filter: $unknown) { totalCount { value display } }
    never: hosts(first: 1, filter: $never) { totalCount { value display } }
  }
`);

/** On every page, above everything: how old the picture is and how many hosts it says nothing about. */
export function Freshness() {
  const text = useText();
  const intl = useIntl();
  const { slug } = useOrganization();
  const scope = useScope();
  const variables = { all: scope, unknown: { ...scope, isUnknown: true }, never: { ...scope, isNeverScanned: true } };
  const [{ data, error }] = useQuery({ query: FreshnessQuery, variables });
  const asOf = useChangedAt(data);
  if (error && !data) return <div className="np-muted">{text('freshness.failed')}</div>;
  if (!data) return <div style={{ minHeight: 28 }} />;
  const unknown = data.unknown?.totalCount?.value ?? 0;
  const params = { org: slug };
  return (
    <Group gap="0 1rem" mb="sm" className="np-muted" style={{ fontSize: '0.9rem', minHeight: 28 }}>
      <span>{text('freshness.asof', { when: intl.formatDate(asOf, { dateStyle: 'medium', timeStyle: 'medium' }) })}</span>
      <Link className="np-link" to="/o/$org/hosts" params={params}>
        {text('freshness.hosts', { count: data.all?.totalCount?.value ?? 0 })}
      </Link>
      <Link className="np-link" to="/o/$org/hosts" params={params} search={{ unknown: true }} style={{ fontWeight: unknown > 0 ? 700 : undefined }}>
        {text('freshness.unknown', { count: unknown })}
      </Link>
      <Link className="np-link" to="/o/$org/hosts" params={params} search={{ never: true }}>
        {text('freshness.never', { count: data.never?.totalCount?.value ?? 0 })}
      </Link>
    </Group>
  );
}

/** When the shown data last came. */
function useChangedAt(data: unknown): Date {
  const [at, setAt] = useState(() => new Date());
  const known = useRef(data);
  useEffect(() => {
    if (known.current === data) return;
    known.current = data;
    setAt(new Date());
  }, [data]);
  return at;
}

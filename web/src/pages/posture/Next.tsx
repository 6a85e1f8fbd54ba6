import { SimpleGrid, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { useOrganization, useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Panel } from '../../ui/Page.tsx';
import { SeverityMark, Status } from '../../ui/status.tsx';
import { NextQuery } from './queries.ts';

const open = ['RUNNING', 'PAUSED', 'HALTED', 'SCHEDULED', 'AWAITING_APPROVAL'] as const;

/** What runs, and what comes first in the queue. */
export function Next() {
  const text = useText();
  const intl = useIntl();
  const { slug } = useOrganization();
  const scope = useScope();
  const params = { org: slug };
  const [state, ask] = useQuery({ query: NextQuery, variables: { deployments: { ...scope, status: [...open] }, queue: scope } });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {({ deployments, queue }) => (
        <SimpleGrid cols={{ base: 1, md: 2 }}>
          <Panel title={text('posture.next')} id="next">
            {deployments?.nodes.length ? (
              <ul className="np-steps">
                {deployments.nodes.map((one) => (
                  <li key={one.id}>
                    <Status of="deployment" value={one.status} />{' '}
                    <Link className="np-link" to="/o/$org/deployments/$deployment" params={{ org: slug, deployment: one.id }}>
                      {one.name}
                    </Link>{' '}
                    <span className="np-muted">{one.reason}</span>
                  </li>
                ))}
              </ul>
            ) : (
              <Text className="np-muted">{text('posture.next.none')}</Text>
            )}
          </Panel>
          <Panel title={text('posture.first')} id="first">
            {queue?.nodes.length ? (
              <ul className="np-steps">
                {queue.nodes.map((item) => (
                  <li key={item.patch.id}>
                    <SeverityMark value={item.patch.severity} /> <strong>{intl.formatNumber(item.risk.score, { maximumFractionDigits: 1 })}</strong>{' '}
                    <Link className="np-link" to="/o/$org/findings" params={params} search={{ patch: item.patch.id }}>
                      {item.patch.name} {item.patch.fixedVersion}
                    </Link>
                  </li>
                ))}
              </ul>
            ) : (
              <Text className="np-muted">{text('queue.empty.title')}</Text>
            )}
          </Panel>
        </SimpleGrid>
      )}
    </Loaded>
  );
}

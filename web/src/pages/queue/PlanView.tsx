import { Stack, Text } from '@mantine/core';
import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';
import { readableBytes } from '../../ui/size.ts';
import type { Plan } from './queries.ts';

/** What a dry run found: hosts by wave, missing approvals, next windows in site time. */
export function PlanView({ plan }: { plan: Plan }) {
  const text = useText();
  const intl = useIntl();
  const when = (at: string, zone: string) => intl.formatDate(at, { dateStyle: 'medium', timeStyle: 'short', timeZone: zone });
  return (
    <Stack gap="xs" role="status" className="np-panel">
      <Text fw={700}>{text('plan.hosts', { count: plan.hostCount, size: readableBytes(plan.payloadBytes, intl.locale) })}</Text>
      <ul style={{ margin: 0 }}>
        {plan.waves.map((wave) => (
          <li key={wave.ordinal}>
            {text('plan.wave', { ordinal: wave.ordinal, count: wave.hostCount })}{' '}
            <span className="np-muted">
              {wave.hostnames.slice(0, 5).join(', ')}
              {wave.hostnames.length > 5 ? ' …' : ''}
            </span>
          </li>
        ))}
      </ul>
      {plan.missing.length > 0 ? (
        <>
          <Text fw={600}>{text('plan.missing')}</Text>
          <ul style={{ margin: 0 }}>
            {plan.missing.map((one) => (
              <li key={one.patch?.id ?? one.reason}>
                {one.patch ? `${one.patch.name} ${one.patch.fixedVersion}: ` : ''}
                {one.reason}
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {plan.windows.map(({ site, nextStart }) =>
        site ? (
          <Text key={site.id} size="sm">
            {nextStart
              ? text('plan.window', { site: site.name, when: `${when(nextStart, site.timeZone)} (${site.timeZone})` })
              : text('plan.window.none', { site: site.name })}
          </Text>
        ) : null,
      )}
    </Stack>
  );
}

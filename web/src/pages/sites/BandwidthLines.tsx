import { Button, Stack, Text } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';
import { useDays } from './days.ts';
import type { Site } from './queries.ts';

const BandwidthDialog = lazy(() => import('./BandwidthDialog.tsx').then((module) => ({ default: module.BandwidthDialog })));

/** What the site's line may carry, rule by rule in the order in which they decide. */
export function BandwidthLines({ site }: { site: Site }) {
  const text = useText();
  const intl = useIntl();
  const [isOpen, setOpen] = useState(false);
  const rate = (kilobits: number | null) =>
    kilobits === null ? text('sites.line.free') : text('sites.line.rate', { mbit: intl.formatNumber(kilobits / 1000, { maximumFractionDigits: 3 }) });
  const days = useDays();
  const { rules, kilobitsPerSecond } = site.bandwidth;
  return (
    <Stack gap={4} align="flex-start">
      {rules.map((rule) => (
        <Text key={`${rule.hours.days.join()} ${rule.hours.from} ${rule.hours.until}`} size="sm">
          {text('sites.line.rule', { days: days(rule.hours), from: rule.hours.from, until: rule.hours.until, rate: rate(rule.kilobitsPerSecond) })}
        </Text>
      ))}
      <Text size="sm">{rules.length > 0 ? text('sites.line.else', { rate: rate(kilobitsPerSecond) }) : rate(kilobitsPerSecond)}</Text>
      <Button variant="default" size="xs" onClick={() => setOpen(true)} aria-label={`${text('sites.line.change')}: ${site.name}`}>
        {text('sites.line.change')}
      </Button>
      <Suspense fallback={null}>{isOpen ? <BandwidthDialog site={site} onClose={() => setOpen(false)} /> : null}</Suspense>
    </Stack>
  );
}

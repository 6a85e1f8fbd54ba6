import { Button, Stack, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { useIntl } from 'react-intl';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { readableBytes } from '../../ui/size.ts';
import { Moment } from '../../ui/Time.tsx';
import { useDays } from './days.ts';
import type { Relay, Site } from './queries.ts';

const StagingDialog = lazy(() => import('./StagingDialog.tsx').then((module) => ({ default: module.StagingDialog })));

/** What the site's relays have fetched ahead, for when, and in which hours they do. */
export function StagingLines({ site }: { site: Site }) {
  const text = useText();
  const days = useDays();
  const [isOpen, setOpen] = useState(false);
  const relays = (site.relays ?? []).filter((relay) => relay.staging.length > 0);
  const hours = site.stagingHours.map((one) => text('sites.staging.range', { days: days(one), from: one.from, until: one.until })).join('; ');
  return (
    <Stack gap={4} align="flex-start">
      {relays.flatMap((relay) =>
        relay.staging.map((wave) => <StagedWave key={`${relay.id} ${wave.deployment?.id} ${wave.wave}`} relay={relay} wave={wave} zone={site.timeZone} isOne={relays.length === 1} />),
      )}
      <Text size="sm" className="np-muted">
        {hours ? text('sites.staging.in', { hours }) : text('sites.staging.always')}
      </Text>
      <Button variant="default" size="xs" onClick={() => setOpen(true)} aria-label={`${text('sites.staging.change')}: ${site.name}`}>
        {text('sites.staging.change')}
      </Button>
      <Suspense fallback={null}>{isOpen ? <StagingDialog site={site} onClose={() => setOpen(false)} /> : null}</Suspense>
    </Stack>
  );
}

interface WaveProps {
  relay: Relay;
  wave: Relay['staging'][number];
  zone: string;
  isOne: boolean;
}

function StagedWave({ relay, wave, zone, isOne }: WaveProps) {
  const text = useText();
  const intl = useIntl();
  const { slug } = useOrganization();
  const bytes = (value: string) => readableBytes(value, intl.locale);
  const counts = { staged: wave.staged, payloads: wave.payloads, stagedBytes: bytes(wave.stagedBytes), bytes: bytes(wave.bytes) };
  return (
    <Text size="sm" component="div">
      {isOne ? null : `${relay.name}: `}
      {text('sites.staging.wave', counts)}{' '}
      {wave.deployment ? (
        <Link className="np-link" to="/o/$org/deployments/$deployment" params={{ org: slug, deployment: wave.deployment.id }}>
          {text('sites.staging.for', { name: wave.deployment.name, wave: wave.wave })}
        </Link>
      ) : null}
      {wave.neededAt ? (
        <>
          {', '}
          <Moment at={wave.neededAt} zone={zone} />
        </>
      ) : null}
      {wave.problem ? <div className="np-muted">{wave.problem}</div> : null}
    </Text>
  );
}

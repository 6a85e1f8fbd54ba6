import { Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { graphql } from '../../api/graphql.ts';
import { useText } from '../../i18n/text.ts';
import { Mark } from '../../ui/Mark.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import type { Site } from './queries.ts';

const UpdateSite = graphql(`
  mutation UpdateSite($input: SiteUpdateInput!) {
    siteUpdate(input: $input) { site { id probesExposure } userErrors { code message } }
  }
`);

/** Whether the site's relays try what its hosts listen on; what that means is said before it is allowed. */
export function ProbeSwitch({ site }: { site: Site }) {
  const text = useText();
  const [isAsking, setAsking] = useState(false);
  const { run, errors, error, isBusy } = useChange(UpdateSite, (data) => data.siteUpdate);
  const isOn = site.probesExposure;

  async function set(probesExposure: boolean) {
    const data = await run({ id: site.id, probesExposure });
    if (data) setAsking(false);
  }

  return (
    <>
      <Group gap="sm">
        <Mark tone={isOn ? 'good' : 'calm'}>{text(isOn ? 'sites.probe.on' : 'sites.probe.off')}</Mark>
        {isOn ? (
          <Button variant="default" size="xs" loading={isBusy} onClick={() => void set(false)} aria-label={`${text('sites.probe.forbid')}: ${site.name}`}>
            {text('sites.probe.forbid')}
          </Button>
        ) : (
          <Button variant="default" size="xs" aria-expanded={isAsking} onClick={() => setAsking(!isAsking)} aria-label={`${text('sites.probe.allow')}: ${site.name}`}>
            {text('sites.probe.allow')}
          </Button>
        )}
      </Group>
      {isAsking && !isOn ? (
        <div>
          <Text size="sm" my="xs" maw="46rem">
            {text('sites.probe.what')}
          </Text>
          <Button size="xs" loading={isBusy} onClick={() => void set(true)}>
            {text('sites.probe.allow')}
          </Button>
        </div>
      ) : null}
      <Refusals errors={errors} />
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
    </>
  );
}

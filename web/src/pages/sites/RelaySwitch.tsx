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
    siteUpdate(input: $input) { site { id directAllowed probesExposure servesProxy usesDeltas } userErrors { code message } }
  }
`);

/** What a site may allow its relays and hosts, and where that stands. */
const fields = { direct: 'directAllowed', probe: 'probesExposure', proxy: 'servesProxy', deltas: 'usesDeltas' } as const;

/** Whether the site's relays or hosts may do something; what that means is said before it is allowed. */
export function RelaySwitch({ site, what }: { site: Site; what: keyof typeof fields }) {
  const text = useText();
  const [isAsking, setAsking] = useState(false);
  const { run, errors, error, isBusy } = useChange(UpdateSite, (data) => data.siteUpdate);
  const isOn = site[fields[what]];

  async function set(isAllowed: boolean) {
    const data = await run({ id: site.id, [fields[what]]: isAllowed });
    if (data) setAsking(false);
  }

  return (
    <>
      <Group gap="sm">
        <Mark tone={isOn ? 'good' : 'calm'}>{text(isOn ? `sites.${what}.on` : `sites.${what}.off`)}</Mark>
        {isOn ? (
          <Button variant="default" size="xs" loading={isBusy} onClick={() => void set(false)} aria-label={`${text(`sites.${what}.forbid`)}: ${site.name}`}>
            {text(`sites.${what}.forbid`)}
          </Button>
        ) : (
          <Button variant="default" size="xs" aria-expanded={isAsking} onClick={() => setAsking(!isAsking)} aria-label={`${text(`sites.${what}.allow`)}: ${site.name}`}>
            {text(`sites.${what}.allow`)}
          </Button>
        )}
      </Group>
      {isAsking && !isOn ? (
        <div>
          <Text size="sm" my="xs" maw="46rem">
            {text(`sites.${what}.what`)}
          </Text>
          <Button size="xs" loading={isBusy} onClick={() => void set(true)}>
            {text(`sites.${what}.allow`)}
          </Button>
        </div>
      ) : null}
      <Refusals errors={errors} />
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
    </>
  );
}

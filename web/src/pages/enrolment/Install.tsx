import { Stack, Text } from '@mantine/core';
import { useText } from '../../i18n/text.ts';
import { CopyLine } from '../../ui/CopyLine.tsx';
import { usePlatform } from '../../ui/platform.ts';
import { enrolLine } from './line.ts';
import type { EnrolmentSite } from './queries.ts';

/** The lines for the host. The token is asked for and never stands in a command, where other users would see it. */
export function Install({ site }: { site: EnrolmentSite }) {
  const text = useText();
  const platform = usePlatform();
  const relay = site.relays?.find((one) => one.address);
  if (!platform) return null;
  return (
    <Stack gap="xs">
      <Text fw={700}>{text('enrolment.install')}</Text>
      <Text size="sm">{text('enrolment.install.first')}</Text>
      <CopyLine label={text('enrolment.install')} line={enrolLine(platform.server, relay?.address ?? null)} />
      <Text size="sm">{text('enrolment.install.then')}</Text>
      <CopyLine label={text('enrolment.run')} line="sudo netpatch-agent run" />
      <Text size="sm" className="np-muted">
        {relay ? text('enrolment.through', { relay: relay.name }) : text(site.directAllowed ? 'enrolment.direct' : 'enrolment.stuck')}
      </Text>
    </Stack>
  );
}

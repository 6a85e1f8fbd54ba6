import { Stack, Text } from '@mantine/core';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { graphql } from '../../api/graphql.ts';
import { useText } from '../../i18n/text.ts';
import { readableDuration } from '../../ui/size.ts';
import { ownZone } from '../../ui/ZoneChoice.tsx';
import { recurrence, type Draft } from './draft.ts';
import { Occurrences } from './Occurrences.tsx';
import { readableRule } from './rule.ts';

const PreviewQuery = graphql(`
  query WindowPreview($input: WindowPreviewInput!) {
    windowPreview(input: $input) { start end }
  }
`);

/** What a window would do: one sentence, and its next five openings as the platform computes them. */
export function Preview({ draft }: { draft: Draft }) {
  const text = useText();
  const intl = useIntl();
  const rule = recurrence(draft);
  const zone = draft.zone || ownZone();
  const [{ data, error, fetching }] = useQuery({
    query: PreviewQuery,
    variables: { input: { rrule: rule?.rrule ?? '', startsAt: rule?.startsAt ?? '', duration: rule?.duration ?? '', offsetDays: rule?.offsetDays ?? 0, timeZone: zone, count: 5 } },
    pause: !rule,
    requestPolicy: 'cache-first',
  });
  if (!rule) return <Text className="np-muted">{text('windows.new.incomplete')}</Text>;
  if (error) return <Text role="alert">{error.graphQLErrors[0]?.message ?? text('problem.offline')}</Text>;
  const starts = data?.windowPreview?.map((one) => one.start) ?? [];
  const next = starts[0] ? intl.formatDate(starts[0], { dateStyle: 'full', timeStyle: 'short', timeZone: zone }) : null;
  const offset = rule.offsetDays === 0 ? '' : `, ${text('windows.offset', { days: rule.offsetDays })}`;
  const sentence = text(draft.isBlackout ? 'windows.sentence.blackout' : 'windows.sentence.window', {
    rule: `${readableRule(rule.rrule)}${offset}`,
    time: draft.time,
    length: readableDuration(rule.duration),
    zone: draft.zone || text('windows.sentence.zone.own'),
  });
  return (
    <Stack gap="sm">
      <Text role="status">
        {sentence} {next && !fetching ? text('windows.sentence.next', { next, zone }) : null}
      </Text>
      {draft.zone ? null : <Text size="sm" className="np-muted">{text('windows.new.own', { zone })}</Text>}
      <Occurrences starts={starts} zone={zone} name={text('windows.new.preview')} />
    </Stack>
  );
}

import { Text } from '@mantine/core';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { readWaves, type Draft, type RuleDraft } from './draft.ts';
import { TargetsQuery } from './queries.ts';

/** What a policy that is still being written would do, and when first. */
export function Willing({ draft }: { draft: Draft }) {
  const text = useText();
  const intl = useIntl();
  const { id } = useOrganization();
  const rule = useRuleSentence();
  const [{ data }] = useQuery({ query: TargetsQuery, variables: { id }, requestPolicy: 'cache-first' });
  const group = data?.organization?.groups?.find((one) => one.id === draft.group)?.name ?? text('policies.group.all');
  const chosen = data?.windows?.nodes.filter((one) => draft.windows.includes(one.id)) ?? [];
  const next = chosen.filter((one) => one.nextStart).sort((a, b) => String(a.nextStart).localeCompare(String(b.nextStart)))[0];
  const waves = (readWaves(draft.waves) ?? []).map((one) =>
    'percent' in one ? text('policies.rollout.wave.percent', { percent: one.percent }) : text('policies.rollout.wave.hosts', { count: one.hosts }),
  );
  return (
    <Text role="status">
      {draft.rules.map(rule).join(' ')} {text('policies.then.rest')} {text(draft.isAutomatic ? 'policies.then.automatic' : 'policies.then.manual', { group, waves: waves.join(' → ') })}{' '}
      {next ? text('policies.then.next', { window: next.name, when: intl.formatDate(next.nextStart ?? '', { dateStyle: 'full', timeStyle: 'short' }) }) : text('policies.then.nowindow')}
    </Text>
  );
}

function useRuleSentence() {
  const text = useText();
  const word = useWord();
  return (rule: RuleDraft) => {
    const kinds = rule.classifications.map((one) => word('classification', one));
    const severities = rule.severities.map((one) => word('severity', one));
    const what = [severities.join(' / '), kinds.join(' / '), rule.isExploited ? text('queue.kev.long') : '', rule.packages].filter(Boolean).join(', ');
    const outcome =
      rule.decision === 'APPROVE' ? text('policies.then.approve')
      : rule.decision === 'BLOCK' ? text('policies.then.block')
      : rule.decision === 'DEFER' ? text('policies.then.defer', { time: text('policies.then.days', { days: rule.deferDays }) })
      : text('policies.then.approvals', { count: rule.approvals });
    return text('policies.then.rule', { what: what || text('policies.when.any'), outcome });
  };
}

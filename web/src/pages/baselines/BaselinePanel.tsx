import { Button, Group, Text } from '@mantine/core';
import { useChange } from '../../api/change.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Facts, Panel } from '../../ui/Page.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { ArchiveBaseline, UpdateBaseline, type Baseline } from './queries.ts';

type Rule = Baseline['rules'][number];

/** A baseline: whose rules, on which hosts, and whether it is followed. */
export function BaselinePanel({ baseline, onChanged }: { baseline: Baseline; onChanged: () => void }) {
  const text = useText();
  const { id, etag, name, isFollowed, standard, group, rules } = baseline;
  const update = useChange(UpdateBaseline, (data) => data.baselineUpdate);
  const archive = useChange(ArchiveBaseline, (data) => data.baselineArchive);
  const follow = () =>
    update.run({
      id, ifMatch: etag, name, standard: standard.standard, isFollowed: !isFollowed, ...(group ? { groupId: group.id } : {}), ...(rules.length > 0 ? { rules: [...rules] } : {}),
    });
  const after = (data: unknown) => (data ? onChanged() : undefined);
  const problem = update.error ?? archive.error;
  const acts = (
    <Group gap="sm">
      <Mark tone={isFollowed ? 'good' : 'calm'}>{text(isFollowed ? 'baselines.followed' : 'baselines.off')}</Mark>
      <Button variant="default" size="xs" loading={update.isBusy} onClick={() => void follow().then(after)}>
        {text(isFollowed ? 'baselines.unfollow' : 'baselines.follow')}
      </Button>
      <Button variant="default" size="xs" loading={archive.isBusy} onClick={() => void archive.run({ id, ifMatch: etag }).then(after)}>
        {text('baselines.archive')}
      </Button>
    </Group>
  );
  return (
    <Panel title={name} id={`baseline-${id}`} acts={acts}>
      <Refusals errors={[...update.errors, ...archive.errors]} />
      {problem ? <Problem error={problem} title={text('problem.act')} /> : null}
      <Text mb="md">
        {standard.name}: {standard.title}{' '}
        {standard.sourceUrl ? (
          <a className="np-link" href={standard.sourceUrl} rel="noreferrer" target="_blank">
            {text('due.source')}
          </a>
        ) : null}
      </Text>
      {rules.length > 0 ? <Rules rules={rules} /> : null}
      <Facts rows={[[text('baselines.hosts'), group?.name ?? text('baselines.hosts.all')]]} />
    </Panel>
  );
}

function Rules({ rules }: { rules: readonly Rule[] }) {
  const text = useText();
  const when = useConditions();
  const columns: Column<Rule>[] = [
    { id: 'rule', header: text('baselines.rule'), cell: (rule) => rule.name },
    { id: 'when', header: text('baselines.when'), cell: when },
    {
      id: 'within',
      header: text('baselines.within'),
      cell: ({ clockStart, withinDays }) => text(clockStart === 'PUBLISHED' ? 'baselines.within.published' : 'baselines.within.seen', { days: withinDays }),
    },
  ];
  return <DataTable caption={text('baselines.rules')} rows={rules} columns={columns} rowId={(rule) => rule.name} rowName={(rule) => rule.name} />;
}

/** The conditions of a rule in words. */
function useConditions() {
  const text = useText();
  const word = useWord();
  return ({ severities, isKnownExploited, isExposed, labels }: Rule) => {
    const parts = [
      ...(severities.length > 0 ? [severities.map((severity) => word('severity', severity)).join(', ')] : []),
      ...(isKnownExploited === null ? [] : [text(isKnownExploited ? 'baselines.when.exploited' : 'baselines.when.unexploited')]),
      ...(isExposed === null ? [] : [text(isExposed ? 'baselines.when.exposed' : 'baselines.when.unexposed')]),
      ...labels.map(({ key, values, isExcluded }) => text(isExcluded ? 'baselines.when.notlabel' : 'baselines.when.label', { key, values: values.join(' / ') })),
    ];
    return parts.length > 0 ? parts.join('; ') : text('baselines.when.any');
  };
}

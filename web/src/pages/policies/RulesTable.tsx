import { useMemo } from 'react';
import { useText, useWord } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { readableSeconds } from '../../ui/size.ts';
import type { Rule } from './queries.ts';

type Text = ReturnType<typeof useText>;
type Word = ReturnType<typeof useWord>;

function condition(rule: Rule, text: Text, word: Word): string {
  const parts = [
    rule.severities.map((one) => word('severity', one)).join(' / '),
    rule.classifications.map((one) => word('classification', one)).join(' / '),
    rule.cvssAtLeast === null ? '' : `CVSS ≥ ${rule.cvssAtLeast}`,
    rule.epssAtLeast === null ? '' : `EPSS ≥ ${rule.epssAtLeast}`,
    rule.isKnownExploited ? text('queue.kev.long') : '',
    rule.packages.join(', '),
    rule.originLabels.join(', '),
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(' · ') : text('policies.when.any');
}

function outcome(rule: Rule, text: Text): string {
  if (rule.decision === 'APPROVE') return text('policies.then.approve');
  if (rule.decision === 'BLOCK') return text('policies.then.block');
  if (rule.decision === 'DEFER') return text('policies.then.defer', { time: readableSeconds(rule.deferSeconds ?? 0) });
  return text('policies.then.approvals', { count: rule.requiredApprovals ?? 1 });
}

/** Rules in their order; the first that fits decides. */
export function RulesTable({ rules, name }: { rules: readonly Rule[]; name: string }) {
  const text = useText();
  const word = useWord();
  const columns = useMemo<Column<Rule>[]>(
    () => [
      { id: 'rule', header: text('policies.rule'), cell: (rule) => rule.name },
      { id: 'when', header: text('policies.when'), cell: (rule) => condition(rule, text, word) },
      { id: 'then', header: text('policies.then'), cell: (rule) => outcome(rule, text) },
    ],
    [text, word],
  );
  return <DataTable caption={`${name}: ${text('policies.rules')}`} rows={rules} columns={columns} rowId={(rule) => rule.name} rowName={(rule) => rule.name} />;
}

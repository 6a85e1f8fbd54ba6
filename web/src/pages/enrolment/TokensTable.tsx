import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { useChange } from '../../api/change.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { useNow } from '../../ui/now.ts';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { Moment } from '../../ui/Time.tsx';
import { RevokeToken, type Token } from './queries.ts';

/** Tokens without their secrets; those that still work can be ended. */
export function TokensTable({ tokens }: { tokens: readonly Token[] }) {
  const text = useText();
  const now = useNow();
  const { run, errors, error, isBusy } = useChange(RevokeToken, (data) => data.enrolmentTokenRevoke);
  const columns = useMemo<Column<Token>[]>(() => {
    const standing = (token: Token) => {
      if (token.isRevoked) return 'revoked';
      if (Date.parse(token.expiresAt) <= now) return 'expired';
      return token.uses >= token.maxUses ? 'used' : 'open';
    };
    return [
      { id: 'site', header: text('filter.site'), cell: (token) => token.site?.name ?? text('unknown.value') },
      {
        id: 'state',
        header: text('filter.status'),
        cell: (token) => <Mark tone={standing(token) === 'open' ? 'good' : 'calm'}>{text(`enrolment.token.${standing(token)}`)}</Mark>,
      },
      { id: 'for', header: text('enrolment.for'), cell: (token) => text(token.isForRelay ? 'enrolment.for.relay' : 'enrolment.for.hosts') },
      { id: 'uses', header: text('enrolment.used'), isNumber: true, cell: (token) => `${token.uses} / ${token.maxUses}` },
      { id: 'labels', header: text('host.labels'), cell: (token) => token.labels.map(({ key, value }) => `${key}=${value}`).join(', ') || '–' },
      { id: 'until', header: text('enrolment.until'), cell: (token) => <Moment at={token.expiresAt} /> },
      {
        id: 'act',
        header: text('enrolment.revoke'),
        cell: (token) =>
          standing(token) === 'open' ? (
            <Button variant="default" size="xs" disabled={isBusy} onClick={() => void run({ id: token.id })} aria-label={text('enrolment.revoke.of', { site: token.site?.name ?? '' })}>
              {text('enrolment.revoke')}
            </Button>
          ) : (
            '–'
          ),
      },
    ];
  }, [isBusy, now, run, text]);
  return (
    <>
      <Refusals errors={errors} />
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
      <DataTable caption={text('enrolment.tokens')} rows={tokens} columns={columns} rowId={(token) => token.id} rowName={(token) => token.site?.name ?? token.id} total={tokens.length} />
    </>
  );
}

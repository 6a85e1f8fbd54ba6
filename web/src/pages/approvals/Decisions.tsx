import { Text } from '@mantine/core';
import { useText, useWord } from '../../i18n/text.ts';
import { Ago } from '../../ui/Time.tsx';
import type { Approval } from './queries.ts';

/** Who decided what, why and when; and whether it is in the ledger. */
export function Decisions({ approval }: { approval: Approval }) {
  const text = useText();
  const word = useWord();
  return (
    <>
      <Text fw={600} mt="md">
        {text('approval.decisions')}: {approval.decisions.length === 0 ? text('approval.decisions.none') : null}
      </Text>
      <ul style={{ margin: 0 }}>
        {approval.decisions.map((decision) => (
          <li key={`${decision.at} ${decision.by.name}`}>
            {decision.by.name}: {word('verdict', decision.verdict)}, “{decision.reason}” <Ago at={decision.at} />
          </li>
        ))}
      </ul>
      {approval.status === 'AWAITING' ? null : (
        <Text size="sm" className="np-muted">
          {text(approval.isLogged ? 'approval.logged' : 'approval.notlogged')}
        </Text>
      )}
    </>
  );
}

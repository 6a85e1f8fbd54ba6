import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Facts } from '../../ui/Page.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { SeverityMark, Status } from '../../ui/status.tsx';
import { Moment } from '../../ui/Time.tsx';
import type { Approval } from './queries.ts';

type Row = readonly [string, ReactNode];

/** What would change, how many hosts it touches, and which bytes it counts for. */
export function ApprovalFacts({ approval }: { approval: Approval }) {
  const text = useText();
  const organization = useOrganization();
  const subject = useSubjectRows(approval);
  const scope = approval.group
    ? text('approval.scope.group', { group: approval.group.name, organization: organization.name })
    : text('approval.scope.all', { organization: organization.name });
  const rows: Row[] = [
    ...subject,
    [text('approval.scope'), scope],
    [text('approvals.by'), approval.requestedBy.name],
    [text('approval.expires'), <Moment key="expires" at={approval.expiresAt} />],
  ];
  if (approval.rule) rows.push([text('deployment.policy'), text('approval.rule', { rule: approval.rule })]);
  if (approval.contentDigest) {
    rows.push([
      text('approval.digest'),
      <span key="digest" className="np-mono" title={text('approval.digest.hint')}>
        {approval.contentDigest}
      </span>,
    ]);
  }
  return <Facts rows={rows} />;
}

function useSubjectRows({ subject }: Approval): Row[] {
  const text = useText();
  const word = useWord();
  const { slug } = useOrganization();
  if (subject?.__typename === 'Deployment') {
    return [
      [
        text('approval.diff'),
        <span key="deployment">
          <Link className="np-link" to="/o/$org/deployments/$deployment" params={{ org: slug, deployment: subject.id }}>
            {text('approval.deployment', { name: subject.name })}
          </Link>{' '}
          <Status of="deployment" value={subject.status} />
        </span>,
      ],
    ];
  }
  if (subject?.__typename !== 'Patch') return [];
  const blast = (
    <Link key="blast" className="np-link" to="/o/$org/findings" params={{ org: slug }} search={{ patch: subject.id }}>
      {text('approval.blast.hosts', { count: subject.hostCount })}
    </Link>
  );
  return [
    [
      text('approval.diff'),
      <span key="diff">
        <strong>{subject.name}</strong> → <span className="np-mono">{subject.fixedVersion}</span> ({subject.release}, {word('classification', subject.classification)}, {subject.originLabel})
      </span>,
    ],
    [
      text('filter.severity'),
      <span key="severity">
        <SeverityMark value={subject.severity} /> {subject.isKnownExploited ? <Mark tone="critical">{text('queue.kev')}</Mark> : null}
      </span>,
    ],
    [text('approval.advisories'), subject.advisoryNames.join(', ')],
    [text('approval.blast'), blast],
  ];
}

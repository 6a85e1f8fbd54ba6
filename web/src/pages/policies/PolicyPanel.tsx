import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Mark } from '../../ui/Mark.tsx';
import { Facts, Panel } from '../../ui/Page.tsx';
import { readableSeconds } from '../../ui/size.ts';
import { Moment } from '../../ui/Time.tsx';
import type { Policy } from './queries.ts';
import { RulesTable } from './RulesTable.tsx';

/** A policy: first in a sentence, then its rules, waves and windows. */
export function PolicyPanel({ policy }: { policy: Policy }) {
  const text = useText();
  const { slug } = useOrganization();
  const marks = (
    <span>
      <Mark tone={policy.isEnabled ? 'good' : 'calm'}>{text(policy.isEnabled ? 'policies.on' : 'policies.off')}</Mark>{' '}
      <Mark tone={policy.isAutomatic ? 'live' : 'calm'}>{text(policy.isAutomatic ? 'policies.automatic' : 'policies.manual')}</Mark>
    </span>
  );
  const windows = policy.windows.length
    ? policy.windows.map((window) => (
        <div key={window.id}>
          <Link className="np-link" to="/o/$org/windows" params={{ org: slug }}>
            {window.name}
          </Link>{' '}
          <Moment at={window.nextStart} />
        </div>
      ))
    : text('policies.windows.none');
  const hosts = policy.group ? (
    <Link className="np-link" to="/o/$org/hosts" params={{ org: slug }} search={{ group: policy.group.id }}>
      {policy.group.name}
    </Link>
  ) : (
    text('policies.group.all')
  );
  return (
    <Panel title={policy.name} id={`policy-${policy.id}`} acts={marks}>
      <Text size="lg" mb="md">
        {policy.sentence}
      </Text>
      <RulesTable rules={policy.rules} name={policy.name} />
      <div style={{ marginTop: '1rem' }}>
        <Facts
          rows={[
            [text('policies.group'), hosts],
            [text('policies.rollout'), <Rollout key="rollout" rollout={policy.rollout} />],
            [text('policies.windows'), windows],
          ]}
        />
      </div>
    </Panel>
  );
}

function Rollout({ rollout }: { rollout: Policy['rollout'] }) {
  const text = useText();
  const waves = rollout.waves.map((wave) =>
    wave.hosts === null ? text('policies.rollout.wave.percent', { percent: wave.percent ?? 0 }) : text('policies.rollout.wave.hosts', { count: wave.hosts }),
  );
  const gate = text('policies.rollout.gate', { percent: rollout.minSuccessPercent, failed: rollout.maxFailed, soak: readableSeconds(rollout.soakSeconds) });
  return (
    <>
      {waves.join(' → ')}. {gate} {rollout.requiresRollback ? text('policies.rollout.rollback') : null} {rollout.rebootsInWindow ? text('policies.rollout.reboots') : null}
    </>
  );
}

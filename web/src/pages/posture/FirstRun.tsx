import { Loader, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Mark } from '../../ui/Mark.tsx';
import { Panel } from '../../ui/Page.tsx';
import { firstSteps } from './first.ts';
import { FirstRunQuery } from './queries.ts';

const pollMs = 4000;

/** What an organization still has to do before anything is patched; each line follows by itself what really happened. */
export function FirstRun() {
  const text = useText();
  const { id, slug } = useOrganization();
  const [{ data }, ask] = useQuery({ query: FirstRunQuery, variables: { id } });
  const steps = data?.organization ? firstSteps(data) : [];
  const isOver = steps.every((step) => step.isDone);
  useEffect(() => {
    if (isOver) return undefined;
    const timer = setInterval(() => ask({ requestPolicy: 'network-only' }), pollMs);
    return () => clearInterval(timer);
  }, [ask, isOver]);
  if (isOver) return null;
  const next = steps.find((step) => !step.isDone && step.isNeeded);
  return (
    <Panel title={text('first.title')} id="first-run">
      <Text mb="sm" className="np-muted">
        {text('first.what')}
      </Text>
      <ol className="np-first">
        {steps.map((step) => (
          <li key={step.name} data-next={step === next || undefined}>
            {step.isDone ? (
              <Mark tone="good">{text('first.done')}</Mark>
            ) : step.isWaiting ? (
              <span className="np-mark np-tone-live">
                <Loader size={12} color="currentColor" aria-hidden />
                {text('first.waiting')}
              </span>
            ) : (
              <Mark tone={step.isNeeded ? 'wait' : 'calm'}>{text(step.isNeeded ? 'first.todo' : 'first.optional')}</Mark>
            )}
            <span>
              {step.isDone || !step.to ? (
                text(`first.${step.name}`)
              ) : (
                <Link className="np-link" to={step.to} params={{ org: slug }} search={step.search}>
                  {text(`first.${step.name}`)}
                </Link>
              )}{' '}
              <span className="np-muted">{step.isDone && step.detail ? step.detail : text(`first.${step.name}.what`)}</span>
            </span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

import { useText } from '../../i18n/text.ts';
import { Mark } from '../../ui/Mark.tsx';
import { Ago } from '../../ui/Time.tsx';

interface Props {
  delivery: { deliveredAt: string | null; nextAttemptAt: string | null; lastError: string | null; attempts: number };
}

/** Whether a message arrived, is tried again, or was given up, and why. */
export function Standing({ delivery }: Props) {
  const text = useText();
  if (delivery.deliveredAt) return <Mark tone="good">{text('webhooks.arrived')}</Mark>;
  if (!delivery.nextAttemptAt) return <><Mark tone="bad">{text('webhooks.givenup')}</Mark> {delivery.lastError}</>;
  if (delivery.attempts === 0) return <Mark tone="wait">{text('webhooks.waiting')}</Mark>;
  return (
    <>
      <Mark tone="wait">{text('webhooks.again')}</Mark> <Ago at={delivery.nextAttemptAt} />: {delivery.lastError}
    </>
  );
}

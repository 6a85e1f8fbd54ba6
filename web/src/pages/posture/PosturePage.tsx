import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Page } from '../../ui/Page.tsx';
import { CustomersMap } from './CustomersMap.tsx';
import { FirstRun } from './FirstRun.tsx';
import { Next } from './Next.tsx';
import { SitesMap } from './SitesMap.tsx';
import { Trend } from './Trend.tsx';

/** Where are we exposed, and is it getting better? Each part asks for itself, so that none waits for another. */
export function PosturePage() {
  const text = useText();
  const { kind } = useOrganization();
  return (
    <Page title={text('posture.title')} question={text('posture.question')}>
      {kind === 'PARTNER' ? null : <FirstRun />}
      {kind === 'PARTNER' ? <CustomersMap /> : <SitesMap />}
      <Next />
      {kind === 'PARTNER' ? null : <Trend />}
    </Page>
  );
}

import { Button, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Panel } from '../../ui/Page.tsx';
import { Moment } from '../../ui/Time.tsx';
import { sumBySeverity, worstShare } from './heat.ts';
import { Line } from './Line.tsx';
import { HistoryQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/posture');

/** Is it getting better? A line, or the same numbers as a table. */
export function Trend() {
  const text = useText();
  const intl = useIntl();
  const { id } = useOrganization();
  const { trend = 'chart' } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: HistoryQuery, variables: { id } });
  const other = trend === 'chart' ? 'table' : 'chart';
  const toggle = (
    <Button variant="default" size="xs" onClick={() => void navigate({ search: { trend: other }, replace: true })}>
      {text(`posture.trend.${other}`)}
    </Button>
  );
  return (
    <Panel title={text('posture.trend')} id="trend" acts={toggle}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {(data) => {
          const points = (data.organization?.complianceHistory?.nodes ?? [])
            .map((one) => ({ id: one.id, at: one.asOf, share: worstShare(sumBySeverity(one.cells)) }))
            .filter((point) => point.share !== null)
            .sort((a, b) => a.at.localeCompare(b.at));
          if (points.length < 2) return <Text className="np-muted">{text('posture.trend.short')}</Text>;
          if (trend === 'chart') return <Line points={points} label={text('posture.trend')} />;
          return (
            <DataTable
              caption={text('posture.trend')}
              rows={points}
              rowId={(point) => point.id}
              rowName={(point) => point.at}
              columns={[
                { id: 'at', header: text('posture.trend.when'), cell: (point) => <Moment at={point.at} /> },
                {
                  id: 'share',
                  header: text('posture.trend.share'),
                  isNumber: true,
                  cell: (point) => intl.formatNumber(point.share ?? 0, { style: 'percent', maximumFractionDigits: 1 }),
                },
              ]}
            />
          );
        }}
      </Loaded>
    </Panel>
  );
}

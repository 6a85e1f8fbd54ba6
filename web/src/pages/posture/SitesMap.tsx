import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { sumBySeverity } from './heat.ts';
import { HeatLine, HeatMap, type HeatRow } from './HeatMap.tsx';
import { PostureQuery } from './queries.ts';

/** An organization's map: its sites. */
export function SitesMap() {
  const text = useText();
  const { id, slug } = useOrganization();
  const [state, ask] = useQuery({ query: PostureQuery, variables: { id } });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {(data) => {
        const snapshot = data.organization?.compliance;
        if (!snapshot || snapshot.cells.length === 0) return <NoHosts slug={slug} />;
        const sites = new Map(snapshot.cells.flatMap((cell) => (cell.site ? [[cell.site.id, cell.site.name] as const] : [])));
        const rows: (HeatRow & { site: string })[] = [...sites].map(([site, name]) => ({
          slug,
          site,
          name,
          cells: sumBySeverity(snapshot.cells.filter((cell) => cell.site?.id === site)),
        }));
        const all: HeatRow = { slug, site: undefined, name: text('posture.all'), cells: sumBySeverity(snapshot.cells) };
        return (
          <>
            <HeatMap caption={text('posture.map.sites')} nameHeader={text('posture.site')}>
              {rows.map((row) => (
                <HeatLine key={row.site} row={row} />
              ))}
              {rows.length > 1 ? <HeatLine row={all} /> : null}
            </HeatMap>
            <Text size="sm" className="np-muted">
              {text('posture.map.legend')} {snapshot.isProvisional ? text('posture.provisional') : null}
            </Text>
          </>
        );
      }}
    </Loaded>
  );
}

function NoHosts({ slug }: { slug: string }) {
  const text = useText();
  const act = (
    <Link className="np-link" to="/o/$org/enrolment" params={{ org: slug }}>
      {text('posture.empty.act')}
    </Link>
  );
  return <Empty title={text('posture.empty.title')} body={text('posture.empty.body')} act={act} />;
}

import { graphql, type ResultOf } from '../../api/graphql.ts';

/** Where advisories come from and how fresh they are. */
export const FeedsQuery = graphql(`
  query Feeds {
    feeds {
      name records skipped problem dataAsOf importedAt licence limits source fetchedAt waitingFor waitingSince waitingRecords
      canary { manifests components newlyAffected cleared isFirst }
    }
  }
`);

/** One feed. */
export type Feed = NonNullable<ResultOf<typeof FeedsQuery>['feeds']>[number];

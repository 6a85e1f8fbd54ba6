import { graphql, type ResultOf } from '../../api/graphql.ts';

/** A run as a row, with everything that explains a failure. */
export const RunRow = graphql(`
  fragment RunRow on Run @_unmask {
    id
    status
    isSilent
    isConfirmed
    attempts
    startedAt
    endedAt
    lastEventAt
    bytesFromRelay
    bytesFromOrigin
    host { id hostname }
    wave { id ordinal }
    deployment { id name }
    error { code message remediation isRetryable evidence }
  }
`);

/** One run. */
export type Run = ResultOf<typeof RunRow>;

/** The journal of one run. */
export const RunJournalQuery = graphql(`
  query RunJournal($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on Run { events { step status at message cause evidence } }
    }
  }
`);

import { graphql, type ResultOf } from '../../api/graphql.ts';

/** Newest first. */
export const LedgerQuery = graphql(`
  query Ledger($id: ID!, $after: String, $filter: LedgerFilter) {
    organization(id: $id) {
      id
      ledger(first: 50, after: $after, filter: $filter) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes { id sequence action subject at actor { kind name } details { key value } }
      }
    }
  }
`);

/** One entry. */
export type Entry = NonNullable<NonNullable<ResultOf<typeof LedgerQuery>['organization']>['ledger']>['nodes'][number];

/** The signed head. */
export const CheckpointQuery = graphql(`
  query Checkpoint($id: ID!) {
    organization(id: $id) { id ledgerCheckpoint { treeSize rootHash note publicKey } }
  }
`);

/** The path between two sizes of the tree. */
export const ConsistencyQuery = graphql(`
  query Consistency($id: ID!, $from: Sequence!, $to: Sequence) {
    organization(id: $id) { id ledgerConsistency(from: $from, to: $to) { from to path } }
  }
`);

/** Everything needed to check one entry. */
export const ProofQuery = graphql(`
  query Proof($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on LedgerEntry {
        sequence leafHash leaf
        proof { treeSize rootHash path signedCheckpoint }
      }
    }
  }
`);

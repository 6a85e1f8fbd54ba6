import { graphql, type ResultOf } from '../../api/graphql.ts';

/** What is shown and written of an asset. */
export const AssetFacts = graphql(`
  fragment AssetFacts on Asset @_unmask {
    id etag inventoryNumber hostname serial vendor model owner department location tier criticality tags warrantyEnd endOfLife linkState linkRule origin
  }
`);

/** What the organization knows of its machines besides what agents report, by name. */
export const AssetsQuery = graphql(
  `
    query Assets($after: String, $filter: AssetFilter) {
      assets(first: 50, after: $after, filter: $filter) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes {
          ...AssetFacts
          site { id name }
          host { id hostname }
          candidates { id hostname }
        }
      }
    }
  `,
  [AssetFacts],
);

/** One row of the list. */
export type AssetRow = NonNullable<ResultOf<typeof AssetsQuery>['assets']>['nodes'][number];

/** What is written and shown of one. */
export type Asset = ResultOf<typeof AssetFacts>;

/** The asset of a host. */
export const HostAssetQuery = graphql(
  `
    query HostAsset($id: ID!) {
      node(id: $id) {
        __typename
        id
        ... on Host { asset { ...AssetFacts } }
      }
    }
  `,
  [AssetFacts],
);

/** Says something of an asset. */
export const UpsertAsset = graphql(`
  mutation UpsertAsset($input: AssetUpsertInput!) {
    assetUpsert(input: $input) { asset { id etag } outcome userErrors { code message } }
  }
`);

import { graphql, type ResultOf } from '../../api/graphql.ts';

/** Baselines, the standards they can follow, and the weights of the risk. */
export const BaselinesQuery = graphql(`
  query Baselines($id: ID!, $after: String) {
    baselines(organizationId: $id, first: 25, after: $after) {
      totalCount { value display }
      pageInfo { hasNextPage endCursor }
      nodes {
        id etag name isFollowed
        standard { standard name title sourceUrl }
        group { id name }
        rules { name severities isKnownExploited isExposed withinDays clockStart labels { key values isExcluded } }
      }
    }
    standards { standard name title takesRules revokedOn revokedBy }
    riskWeights(organizationId: $id) { version etag weights { kind points } }
  }
`);

type Answer = ResultOf<typeof BaselinesQuery>;

/** One baseline. */
export type Baseline = NonNullable<Answer['baselines']>['nodes'][number];

/** A rule set that can be followed. */
export type StandardInfo = NonNullable<Answer['standards']>[number];

/** What counts how much. */
export type Weights = NonNullable<Answer['riskWeights']>;

export const CreateBaseline = graphql(`
  mutation CreateBaseline($input: BaselineCreateInput!) {
    baselineCreate(input: $input) { baseline { id } userErrors { code message } }
  }
`);

export const UpdateBaseline = graphql(`
  mutation UpdateBaseline($input: BaselineUpdateInput!) {
    baselineUpdate(input: $input) { baseline { id etag isFollowed } userErrors { code message } }
  }
`);

export const ArchiveBaseline = graphql(`
  mutation ArchiveBaseline($input: BaselineArchiveInput!) {
    baselineArchive(input: $input) { baseline { id etag isFollowed archivedAt } userErrors { code message } }
  }
`);

export const SetWeights = graphql(`
  mutation SetWeights($input: RiskWeightsSetInput!) {
    riskWeightsSet(input: $input) { riskWeights { version etag weights { kind points } } userErrors { code message } }
  }
`);

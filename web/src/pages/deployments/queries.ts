import { graphql, type ResultOf } from '../../api/graphql.ts';
import { RunRow } from '../runs/queries.ts';

/** A wave with its counters. */
export const WaveRow = graphql(`
  fragment WaveRow on Wave @_unmask {
    id ordinal status reason openedAt endedAt
    counts { total pending running succeeded failed rolledBack skipped rebootPending silent }
  }
`);

/** One wave. */
export type Wave = ResultOf<typeof WaveRow>;

/** What changes while a deployment runs. */
export const DeploymentState = graphql(`
  fragment DeploymentState on Deployment @_unmask {
    id name status reason etag startedAt endedAt
  }
`);

/** Newest first. */
export const DeploymentsQuery = graphql(
  `
    query Deployments($after: String, $filter: DeploymentFilter) {
      deployments(first: 15, after: $after, filter: $filter) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes {
          ...DeploymentState
          createdAt
          createdBy { kind name }
          waves { ...WaveRow }
        }
      }
    }
  `,
  [DeploymentState, WaveRow],
);

/** One row. */
export type DeploymentRow = NonNullable<ResultOf<typeof DeploymentsQuery>['deployments']>['nodes'][number];

/** A rollout. */
export const DeploymentQuery = graphql(
  `
    query Deployment($id: ID!) {
      node(id: $id) {
        __typename
        id
        ... on Deployment {
          ...DeploymentState
          createdAt
          notAfter
          createdBy { kind name }
          policy { id name }
          approval { id status }
          patches { id name fixedVersion severity }
          waves { ...WaveRow }
        }
      }
    }
  `,
  [DeploymentState, WaveRow],
);

/** A rollout, as the page shows it. */
export type Deployment = Extract<NonNullable<ResultOf<typeof DeploymentQuery>['node']>, { __typename: 'Deployment' }>;

/** Its runs. */
export const DeploymentRunsQuery = graphql(
  `
    query DeploymentRuns($id: ID!, $after: String) {
      node(id: $id) {
        __typename
        id
        ... on Deployment {
          runs(first: 50, after: $after) {
            totalCount { value display }
            pageInfo { hasNextPage endCursor }
            nodes { ...RunRow }
          }
        }
      }
    }
  `,
  [RunRow],
);

/** Live counters: the first event at once, then on change, at most two a second. */
export const WaveProgress = graphql(
  `
    subscription WaveProgress($id: ID!) {
      waveProgress(deploymentId: $id) {
        sequence
        deployment { ...DeploymentState }
        waves { ...WaveRow }
      }
    }
  `,
  [DeploymentState, WaveRow],
);

export const PauseDeployment = graphql(
  `
    mutation PauseDeployment($input: DeploymentChangeInput!) {
      change: deploymentPause(input: $input) { deployment { ...DeploymentState } userErrors { code message } }
    }
  `,
  [DeploymentState],
);
export const ResumeDeployment = graphql(
  `
    mutation ResumeDeployment($input: DeploymentChangeInput!) {
      change: deploymentResume(input: $input) { deployment { ...DeploymentState } userErrors { code message } }
    }
  `,
  [DeploymentState],
);
export const HaltDeployment = graphql(
  `
    mutation HaltDeployment($input: DeploymentChangeInput!) {
      change: deploymentHalt(input: $input) { deployment { ...DeploymentState } userErrors { code message } }
    }
  `,
  [DeploymentState],
);
export const CancelDeployment = graphql(
  `
    mutation CancelDeployment($input: DeploymentChangeInput!) {
      change: deploymentCancel(input: $input) { deployment { ...DeploymentState } userErrors { code message } }
    }
  `,
  [DeploymentState],
);

/** Asks for an evidence pack. */
export const MakePack = graphql(`
  mutation MakePack($input: ReportCreateInput!) {
    reportCreate(input: $input) { report { id status fileName url } userErrors { code message } }
  }
`);

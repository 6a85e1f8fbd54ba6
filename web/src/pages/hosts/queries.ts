import { graphql, type ResultOf } from '../../api/graphql.ts';
import { FindingRow } from '../findings/queries.ts';
import { RunRow } from '../runs/queries.ts';

/** Machines in order of name. */
export const HostsQuery = graphql(`
  query Hosts($after: String, $filter: HostFilter) {
    hosts(first: 50, after: $after, filter: $filter) {
      totalCount { value display }
      pageInfo { hasNextPage endCursor }
      nodes {
        id hostname state stateReason osName osRelease ring isRebootPending isQuarantined lastSeenAt lastScanAt
        organization { id name }
        site { id name }
        openFindings { severity count }
      }
    }
  }
`);

/** One row of the list. */
export type HostRow = NonNullable<ResultOf<typeof HostsQuery>['hosts']>['nodes'][number];

/** A machine. */
export const HostQuery = graphql(`
  query Host($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on Host {
        hostname state stateReason osName osRelease arch kernel timeZone ring registeredAt lastSeenAt lastScanAt scanProblem
        isRebootPending isAuditOnly isQuarantined
        labels { key value }
        groups { id name }
        site { id name timeZone }
        relay { id name status }
        openFindings { severity count }
      }
    }
  }
`);

/** Its findings, worst first. */
export const HostFindingsQuery = graphql(
  `
    query HostFindings($id: ID!, $after: String, $filter: FindingFilter) {
      node(id: $id) {
        __typename
        id
        ... on Host {
          findings(first: 50, after: $after, filter: $filter) {
            totalCount { value display }
            pageInfo { hasNextPage endCursor }
            nodes { ...FindingRow }
          }
        }
      }
    }
  `,
  [FindingRow],
);

/** What is installed. */
export const HostComponentsQuery = graphql(`
  query HostComponents($id: ID!, $after: String, $name: String) {
    node(id: $id) {
      __typename
      id
      ... on Host {
        components(first: 100, after: $after, nameContains: $name) {
          totalCount { value display }
          pageInfo { hasNextPage endCursor }
          nodes { id purl name version arch source sourceVersion }
        }
      }
    }
  }
`);

/** What the machine is. */
export const HostSystemQuery = graphql(`
  query HostSystem($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on Host {
        osName osRelease osVersion arch kernel installedKernel isRebootPending bootId lastScanAt
        hardware {
          vendor model serial firmware virtualization processor processorCount memoryMib freeMib
          disks { name model sizeMib }
          cards { name address }
        }
        staleServices { unit process files }
        providers { name componentCount problem }
      }
    }
  }
`);

/** What waits on it for others. */
export const HostListeningQuery = graphql(`
  query HostListening($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on Host {
        lastScanAt firewallReader firewallProblem
        site { id name probesExposure }
        listening {
          protocol address port isReachable isAllowedByFirewall isExposed exposureBasis process unit package
          probe { outcome at target relay { id name } }
        }
      }
    }
  }
`);

/** What it cannot take. */
export const HostRefusedQuery = graphql(`
  query HostRefused($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on Host {
        lastScanAt
        refusedPatches { package arch version code reason patch { id name fixedVersion } }
      }
    }
  }
`);

/** What was done to it, newest first. */
export const HostRunsQuery = graphql(
  `
    query HostRuns($id: ID!, $after: String) {
      node(id: $id) {
        __typename
        id
        ... on Host {
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

/** Asks the agent for a scan now. */
export const ScanHost = graphql(`
  mutation ScanHost($input: HostScanInput!) {
    hostScan(input: $input) { requested userErrors { code message } }
  }
`);

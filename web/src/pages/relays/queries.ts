import { graphql, type ResultOf } from '../../api/graphql.ts';

/** The relay that waits with a code. */
export const RelayPreviewQuery = graphql(`
  query RelayPreview($organization: ID!, $code: String!) {
    relayPreview(organizationId: $organization, claimCode: $code) { model serial version keyFingerprint expiresAt }
  }
`);

/** What a relay says about itself before it is claimed. */
export type Waiting = NonNullable<ResultOf<typeof RelayPreviewQuery>['relayPreview']>;

export const ClaimSitesQuery = graphql(`
  query ClaimSites($id: ID!) {
    organization(id: $id) { id sites(first: 100) { nodes { id name relays { id name } } } }
  }
`);

export const ClaimRelay = graphql(`
  mutation ClaimRelay($input: RelayClaimInput!) {
    relayClaim(input: $input) { relay { id name } keyFingerprint userErrors { code message } }
  }
`);

export const ReplaceRelay = graphql(`
  mutation ReplaceRelay($input: RelayReplaceInput!) {
    relayReplace(input: $input) { relay { id name model serial status } keyFingerprint userErrors { code message } }
  }
`);

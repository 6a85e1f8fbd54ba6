import { graphql, type ResultOf } from '../../api/graphql.ts';

/** Sites with their relays' addresses, and the tokens. */
export const EnrolmentQuery = graphql(`
  query Enrolment($id: ID!) {
    organization(id: $id) {
      id
      sites(first: 100) { nodes { id name directAllowed relays { id name status address } } }
      enrolmentTokens { id expiresAt isRevoked isForRelay maxUses uses labels { key value } site { id name } }
    }
  }
`);

type Found = NonNullable<ResultOf<typeof EnrolmentQuery>['organization']>;

/** A site where hosts can enrol. */
export type EnrolmentSite = NonNullable<Found['sites']>['nodes'][number];

/** A token without its secret. */
export type Token = NonNullable<Found['enrolmentTokens']>[number];

export const CreateToken = graphql(`
  mutation CreateToken($input: EnrolmentTokenCreateInput!) {
    enrolmentTokenCreate(input: $input) { token enrolmentToken { id expiresAt maxUses } userErrors { code message } }
  }
`);

export const RevokeToken = graphql(`
  mutation RevokeToken($input: EnrolmentTokenRevokeInput!) {
    enrolmentTokenRevoke(input: $input) { enrolmentToken { id isRevoked } userErrors { code message } }
  }
`);

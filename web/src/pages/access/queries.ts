import { graphql, type ResultOf } from '../../api/graphql.ts';

/** In the order in which they are offered. */
export const roles = ['OWNER', 'PATCH_ADMIN', 'TECHNICIAN', 'APPROVER', 'SITE_OPERATOR', 'AUDITOR'] as const;

/** Rights that a program may get; it never approves. */
export const permissions = ['READ', 'REPORT', 'LEDGER_READ', 'SCAN', 'DEPLOY', 'STOP', 'RESUME', 'POLICY_WRITE', 'ENROL', 'ASSET_WRITE', 'ADMIN'] as const;

export const CanQuery = graphql(`
  query CanAdministrate($id: ID!) { viewer { can(permission: ADMIN, on: $id) } }
`);

export const MembersQuery = graphql(`
  query Members($id: ID!) {
    organization(id: $id) { id members { name email roles isActive } }
  }
`);

/** Somebody who signs in here. */
export type Member = NonNullable<NonNullable<ResultOf<typeof MembersQuery>['organization']>['members']>[number];

export const PartnersQuery = graphql(`
  query Partners($id: ID!) {
    organization(id: $id) { id delegations { id roles expiresAt status partner { id name } customer { id } } }
  }
`);

/** What lets a partner act here. */
export type Delegation = NonNullable<NonNullable<ResultOf<typeof PartnersQuery>['organization']>['delegations']>[number];

export const CreateUser = graphql(`
  mutation CreateUser($input: UserCreateInput!) {
    userCreate(input: $input) { initialPassword userErrors { code message } }
  }
`);

export const DecideDelegation = graphql(`
  mutation DecideDelegation($input: DelegationDecideInput!) {
    delegationDecide(input: $input) { delegation { id status } userErrors { code message } }
  }
`);

export const CreateClient = graphql(`
  mutation CreateClient($input: ApiClientCreateInput!) {
    apiClientCreate(input: $input) { clientId clientSecret userErrors { code message } }
  }
`);

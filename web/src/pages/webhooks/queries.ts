import { graphql, type ResultOf } from '../../api/graphql.ts';

/** The events that an endpoint can be told of. */
export const events = ['approval.requested', 'deployment.wave.halted', 'deployment.run.failed', 'finding.critical', 'asset.changed', 'asset.imported', 'asset.linked', 'asset.deleted'] as const;

export const WebhooksQuery = graphql(`
  query Webhooks($id: ID!) {
    organization(id: $id) {
      id
      webhooks { id url events disabledReason createdAt deliveries(first: 1) { nodes { id event createdAt deliveredAt lastStatus lastError attempts nextAttemptAt } } }
    }
  }
`);

/** One endpoint with its newest delivery. */
export type Webhook = NonNullable<NonNullable<ResultOf<typeof WebhooksQuery>['organization']>['webhooks']>[number];

export const DeliveriesQuery = graphql(`
  query Deliveries($id: ID!, $after: String) {
    node(id: $id) {
      __typename
      ... on Webhook {
        id url
        deliveries(first: 25, after: $after) {
          totalCount { value display }
          pageInfo { hasNextPage endCursor }
          nodes { id event createdAt deliveredAt lastStatus lastError attempts nextAttemptAt body }
        }
      }
    }
  }
`);

/** One message to an endpoint. */
export type Delivery = NonNullable<Webhook['deliveries']>['nodes'][number];

export const CreateWebhook = graphql(`
  mutation CreateWebhook($input: WebhookCreateInput!) {
    webhookCreate(input: $input) { secret webhook { id } userErrors { code message } }
  }
`);

export const DeleteWebhook = graphql(`
  mutation DeleteWebhook($input: WebhookDeleteInput!) {
    webhookDelete(input: $input) { deletedId userErrors { code message } }
  }
`);

export const ReplayDelivery = graphql(`
  mutation ReplayDelivery($input: WebhookReplayInput!) {
    webhookReplay(input: $input) { delivery { id attempts nextAttemptAt deliveredAt lastStatus lastError } userErrors { code message } }
  }
`);

import { accessTexts } from './en/access.ts';
import { assetTexts } from './en/assets.ts';
import { deadlineTexts } from './en/deadlines.ts';
import { deploymentTexts } from './en/deployments.ts';
import { feedTexts } from './en/feeds.ts';
import { hostTexts } from './en/hosts.ts';
import { ledgerTexts } from './en/ledger.ts';
import { policyTexts } from './en/policies.ts';
import { queueTexts } from './en/queue.ts';
import { ruleTexts } from './en/rules.ts';
import { setupTexts } from './en/setup.ts';
import { shell } from './en/shell.ts';
import { words } from './en/words.ts';

/** All messages in ICU syntax, by id. */
export const messages = {
  ...shell,
  ...words,
  ...queueTexts,
  ...feedTexts,
  ...hostTexts,
  ...assetTexts,
  ...deploymentTexts,
  ...deadlineTexts,
  ...policyTexts,
  ...ledgerTexts,
  ...setupTexts,
  ...ruleTexts,
  ...accessTexts,
};

/** The id of a message. */
export type MessageId = keyof typeof messages;

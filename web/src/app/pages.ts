import { Activity, AlarmClock, BadgeCheck, Boxes, Calendar, FileText, Gauge, KeyRound, ListOrdered, MapPin, PlugZap, Rocket, Rss, ScrollText, Server, ShieldAlert, Webhook, type LucideIcon } from 'lucide-react';
import type { MessageId } from '../i18n/text.ts';

/** Where a person can go inside of an organization, and the key that leads there after `g`. */
export const pages = [
  { to: '/o/$org/posture', label: 'nav.posture', icon: Gauge, key: 'p' },
  { to: '/o/$org/queue', label: 'nav.queue', icon: ListOrdered, key: 'q' },
  { to: '/o/$org/findings', label: 'nav.findings', icon: ShieldAlert, key: 'f' },
  { to: '/o/$org/hosts', label: 'nav.hosts', icon: Server, key: 'h' },
  { to: '/o/$org/assets', label: 'nav.assets', icon: Boxes, key: 't' },
  { to: '/o/$org/approvals', label: 'nav.approvals', icon: BadgeCheck, key: 'a' },
  { to: '/o/$org/deployments', label: 'nav.deployments', icon: Rocket, key: 'd' },
  { to: '/o/$org/policies', label: 'nav.policies', icon: Activity, key: 'o' },
  { to: '/o/$org/baselines', label: 'baselines.title', icon: AlarmClock, key: 'b' },
  { to: '/o/$org/windows', label: 'nav.windows', icon: Calendar, key: 'w' },
  { to: '/o/$org/sites', label: 'nav.sites', icon: MapPin, key: 's' },
  { to: '/o/$org/enrolment', label: 'enrolment.title', icon: PlugZap, key: 'e' },
  { to: '/o/$org/ledger', label: 'nav.ledger', icon: ScrollText, key: 'l' },
  { to: '/o/$org/reports', label: 'nav.reports', icon: FileText, key: 'r' },
  { to: '/o/$org/feeds', label: 'feeds.title', icon: Rss, key: 'v' },
  { to: '/o/$org/webhooks', label: 'webhooks.title', icon: Webhook, key: 'n' },
  { to: '/o/$org/access', label: 'access.title', icon: KeyRound, key: 'c' },
] as const satisfies readonly { to: string; label: MessageId; icon: LucideIcon; key: string }[];

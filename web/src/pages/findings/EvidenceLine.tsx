import { useText } from '../../i18n/text.ts';
import type { Finding } from './queries.ts';

/** Why we say so: the record of the feed, the rule, and the comparison that was made. */
export function EvidenceLine({ evidence }: { evidence: Finding['evidence'] }) {
  const text = useText();
  return (
    <details>
      <summary>{evidence.feed}</summary>
      <span className="np-mono">
        {text('findings.evidence.line', {
          record: evidence.record,
          feed: evidence.feed,
          installed: evidence.installedVersion,
          comparator: evidence.comparator,
          fixed: evidence.fixedVersion || text('findings.nofix'),
          rule: evidence.rule,
        })}
      </span>
    </details>
  );
}

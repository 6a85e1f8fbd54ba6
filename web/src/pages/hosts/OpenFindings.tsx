import { Link } from '@tanstack/react-router';
import { useText, useWord } from '../../i18n/text.ts';
import { SeverityMark, severities } from '../../ui/status.tsx';

interface Props {
  counts: readonly { severity: string; count: number }[];
  host: string;
  org: string;
}

/** Open findings by severity; each number leads to exactly those. */
export function OpenFindings({ counts, host, org }: Props) {
  const text = useText();
  const word = useWord();
  const open = severities.flatMap((severity) => {
    const count = counts.find((one) => one.severity === severity)?.count ?? 0;
    return count > 0 ? [{ severity, count }] : [];
  });
  if (open.length === 0) return <span className="np-muted">{text('hosts.open.none')}</span>;
  return (
    <>
      {open.map(({ severity, count }) => (
        <Link
          key={severity}
          to="/o/$org/findings"
          params={{ org }}
          search={{ host, severity }}
          className="np-count"
          aria-label={`${count} ${word('severity', severity)}`}
        >
          <span>{count}</span>
          <SeverityMark value={severity} />
        </Link>
      ))}
    </>
  );
}

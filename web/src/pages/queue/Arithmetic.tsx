import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';

interface Risk {
  score: number;
  terms: readonly { name: string; input: string; points: number }[];
  missing: readonly string[];
}

/** Our number with its reasons: each term, what went in, how many points it gave. */
export function Arithmetic({ risk }: { risk: Risk }) {
  const text = useText();
  const intl = useIntl();
  const number = (value: number) => intl.formatNumber(value, { maximumFractionDigits: 1 });
  const signed = (value: number) => intl.formatNumber(value, { maximumFractionDigits: 1, signDisplay: 'always' });
  return (
    <details>
      <summary aria-label={text('queue.arithmetic', { score: number(risk.score) })}>
        <strong>{number(risk.score)}</strong>
      </summary>
      <table className="np-sum">
        <tbody>
          {risk.terms.map((term) => (
            <tr key={term.name}>
              <td>{term.name}</td>
              <td className="np-muted">{term.input}</td>
              <td className="np-num">{signed(term.points)}</td>
            </tr>
          ))}
          <tr>
            <td colSpan={3} className="np-num">
              <strong>{text('queue.arithmetic.sum', { score: number(risk.score) })}</strong>
            </td>
          </tr>
        </tbody>
      </table>
      {risk.missing.length > 0 ? <p className="np-muted">{text('queue.missing', { names: risk.missing.join(', ') })}</p> : null}
    </details>
  );
}

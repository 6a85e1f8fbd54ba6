import { Link } from '@tanstack/react-router';
import type { Organization } from './organization.ts';

/** Links to organizations. */
export function OrganizationList({ all }: { all: readonly Organization[] }) {
  return (
    <ul>
      {all.map((one) => (
        <li key={one.id}>
          <Link className="np-link" to="/o/$org/posture" params={{ org: one.slug }}>
            {one.name}
          </Link>
        </li>
      ))}
    </ul>
  );
}

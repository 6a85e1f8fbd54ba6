import { createContext, use } from 'react';
import type { Person } from '../api/session.ts';

/** Who is signed in. */
export const PersonContext = createContext<Person>({ name: '', email: '' });

/** Who is signed in. */
export const usePerson = () => use(PersonContext);

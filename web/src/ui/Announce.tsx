import { useEffect, useRef, useState } from 'react';

const atMostEveryMs = 5000;

/** A polite live region that speaks at most every five seconds, and then the newest (WCAG 4.1.3). */
export function Announce({ message }: { message: string }) {
  const [spoken, setSpoken] = useState('');
  const lastAt = useRef(0);
  useEffect(() => {
    if (message === spoken) return undefined;
    const wait = Math.max(0, lastAt.current + atMostEveryMs - Date.now());
    const timer = setTimeout(() => {
      lastAt.current = Date.now();
      setSpoken(message);
    }, wait);
    return () => clearTimeout(timer);
  }, [message, spoken]);
  return (
    <span className="np-hidden" role="status" aria-live="polite">
      {spoken}
    </span>
  );
}

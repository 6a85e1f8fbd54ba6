import { useDisclosure, useLocalStorage } from '@mantine/hooks';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { pages } from './pages.ts';

function isTyping(target: EventTarget | null) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

const chordMs = 1200;

/** Single-key shortcuts: `/` filter, `?` sheet, `g` then a letter. They can be switched off (WCAG 2.1.4). */
export function useKeys(slug: string) {
  const navigate = useNavigate();
  const [isSheetOpen, sheet] = useDisclosure(false);
  const [isOn, setOn] = useLocalStorage({ key: 'np-single-keys', defaultValue: true });
  const chordAt = useRef(0);

  useEffect(() => {
    if (!isOn) return undefined;
    function onKey(event: KeyboardEvent) {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '/') {
        const filter = document.querySelector<HTMLInputElement>('[data-filter]');
        if (filter) {
          event.preventDefault();
          filter.focus();
        }
      } else if (event.key === '?') {
        sheet.open();
      } else if (event.key === 'g') {
        chordAt.current = event.timeStamp;
      } else if (event.timeStamp - chordAt.current < chordMs) {
        const page = pages.find(({ key }) => key === event.key);
        chordAt.current = 0;
        if (page) void navigate({ to: page.to, params: { org: slug } });
      }
    }
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [isOn, navigate, sheet, slug]);

  return { isOn, setOn, isSheetOpen, openSheet: sheet.open, closeSheet: sheet.close };
}

/** What the shell hands to the sheet. */
export type Keys = ReturnType<typeof useKeys>;

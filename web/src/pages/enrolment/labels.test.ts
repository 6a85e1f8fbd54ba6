import { expect, it } from 'vitest';
import { readLabels } from './labels.ts';

it('reads pairs however they are separated, and says when something is none', () => {
  expect(readLabels('')).toEqual([]);
  expect(readLabels('department=sales, exposure=internet')).toEqual([
    { key: 'department', value: 'sales' },
    { key: 'exposure', value: 'internet' },
  ]);
  expect(readLabels('a=b=c')).toEqual([{ key: 'a', value: 'b=c' }]);
  for (const bad of ['sales', '=x', 'a=', 'a=b c']) expect(readLabels(bad)).toBeNull();
});

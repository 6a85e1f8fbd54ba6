import { expect, test } from 'vitest';
import { faultOf, mirrorsDraftOf, mirrorsInputOf, mostMirrors } from './mirrors.ts';

const debian = 'http://deb.example/debian';
const security = 'http://security.example/debian';
const site = { upstreams: [debian, security], mirrors: [{ repository: security, urls: ['http://a.example/debian', 'http://b.example/debian'] }] };

test('what is in force comes back as it was, and every repository can be filled in', () => {
  const draft = mirrorsDraftOf(site);
  expect(draft).toEqual([{ repository: debian, text: '' }, { repository: security, text: 'http://a.example/debian\nhttp://b.example/debian' }]);
  expect(mirrorsInputOf(draft)).toEqual(site.mirrors);
  expect(mirrorsInputOf(draft.map((one) => ({ ...one, text: ' \n' })))).toEqual([]);
});

test('addresses are lines, in order, without last slashes', () => {
  const [input] = mirrorsInputOf([{ repository: debian, text: '  https://b.example/debian/ \r\n\nhttp://a.example//\n' }]);
  expect(input?.urls).toEqual(['https://b.example/debian', 'http://a.example']);
});

test('what no relay could fetch from is told by its address', () => {
  expect(faultOf('')).toBeNull();
  expect(faultOf('http://a.example/debian\nhttps://[2001:db8::1]:8080/x')).toBeNull();
  for (const bad of ['a.example', 'ftp://a.example/x', 'http://', 'https:///x', 'HTTP://a.example', 'http://a.example/x?y=1', 'http://a.example/#x', `http://a.example/${'a'.repeat(500)}`, 'http://a.example:port/']) {
    expect(faultOf(`http://fine.example\n${bad}`)?.what, bad).toBe('bad');
  }
  expect(faultOf('http://a.example\nhttp://a.example/')).toEqual({ what: 'twice', url: 'http://a.example' });
  const many = Array.from({ length: mostMirrors + 1 }, (_, at) => `http://m${at}.example`);
  expect(faultOf(many.slice(1).join('\n'))).toBeNull();
  expect(faultOf(many.join('\n'))).toEqual({ what: 'many', url: 'http://m8.example' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CookieNames } from '../../src/affinity/cookie-names.ts';
import { stripCookies } from '../../src/affinity/cookie-strip.ts';

const MANY = ['limpet', 'a', 'b', 'c', 'd', 'e', 'shop'];

for (const list of [['limpet', 'shop'], MANY]) {
  const names = new CookieNames(list);

  test(`K1: a Set-Cookie line is known as a browser reads it, among ${list.length} names`, () => {
    const set = (value: string): boolean => names.isSet(value, 0, value.length);
    for (const value of [
      'limpet=x',
      'limpet =x',
      'limpet\t= x',
      '=limpet=x',
      ' = limpet=x',
      'limpet',
      'limpet;Path=/',
      'shop=',
    ])
      assert.ok(set(value), value);
    for (const value of [
      'Limpet=x',
      'limpetx=x',
      'xlimpet=x',
      'x=limpet',
      'x=limpet=1',
      '',
      ';limpet=x',
      'x; limpet=y',
    ])
      assert.ok(!set(value), value);
  });

  test(`K1: cookies of all pools are taken out of a Cookie line, and others stay, among ${list.length} names`, () => {
    const strip = (value: string): string | null =>
      stripCookies(value, 0, value.length, names.in(value, 0, value.length));
    assert.equal(strip('x=1; limpet=2; y=3'), 'x=1; y=3');
    assert.equal(strip('limpet=2; shop=4'), '');
    assert.equal(strip('limpet =2;x=limpet=3'), 'x=limpet=3');
    assert.equal(strip('x=1; y=limpet'), null);
  });
}

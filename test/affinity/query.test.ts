import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Find, FoundKey } from '../../src/affinity/strategy.ts';
import { requestOf, strategyOf } from './pool-fixture.ts';

/** All keys that are found in a target. */
function keysOf(target: string, name = 'sid'): string[] {
  const strategy = strategyOf({ by: 'query', name });
  const head = requestOf([], target);
  const found = new FoundKey();
  const texts: string[] = [];
  for (let nth = 0; strategy.find(head, '', nth, found) === Find.found; nth++) texts.push(found.text);
  return texts;
}

const table: readonly (readonly [string, string[]])[] = [
  ['/socket.io/?EIO=4&transport=polling&sid=abc', ['abc']],
  ['/?sid=abc&t=1', ['abc']],
  ['/?sid=a&sid=&sid=b', ['a', 'b']],
  ['/?a=?sid=x', []],
  ['/?a=1?sid=x&sid=y', ['y']],
  ['/?xsid=a&sid=b', ['b']],
  ['/?sidx=a', []],
  ['/?a=sid=b', []],
  ['/sid=a?b=c', []],
  ['/?sid=a=b', ['a=b']],
  ['/?sid=a;b', ['a;b']],
  ['/?sid=a%62c', ['a%62c']],
  ['/?s%69d=abc', []],
  ['/?', []],
  ['http://shop.example/?sid=abs', ['abs']],
  ['http://shop.example?sid=abs', ['abs']],
];
for (const [target, keys] of table) {
  test(`the keys of ${target} are ${JSON.stringify(keys)}`, () => {
    assert.deepEqual(keysOf(target), keys);
  });
}

test('a header that looks like a query is none', () => {
  const found = new FoundKey();
  const head = requestOf(['X-A: ?sid=a&sid=b'], '/?a=b');
  assert.equal(strategyOf({ by: 'query', name: 'sid' }).find(head, '', 0, found), Find.none);
});

test('a name with other characters is looked for percent-encoded', () => {
  assert.deepEqual(keysOf('/?session%20id=a', 'session id'), ['a']);
  assert.deepEqual(keysOf('/?s%C3%AF%26=a', 'sï&'), ['a']);
  assert.deepEqual(keysOf('/?sid[]=a', 'sid[]'), ['a']);
  assert.deepEqual(keysOf('/?s%5B=a', 's%5B'), ['a']);
});

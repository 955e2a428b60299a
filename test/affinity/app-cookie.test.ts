import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Find, FoundKey, Learn } from '../../src/affinity/strategy.ts';
import { NOW, requestOf, responseOf, strategyOf } from './pool-fixture.ts';

const strategy = strategyOf({ by: 'app-cookie', name: 'JSESSIONID' });
const past = new Date(NOW - 1000).toUTCString();
const future = new Date(NOW + 1000).toUTCString();

/** What is learned from a response with these Set-Cookie lines: the value, or a value of Learn. */
function learn(...lines: string[]): string | number {
  const found = new FoundKey();
  const result = strategy.learn!(responseOf(lines.map((line) => `Set-Cookie: ${line}`)), found);
  if (result !== Learn.learned) {
    assert.equal(found.strategy, null);
    return result;
  }
  return found.text;
}

const table: readonly (readonly [string[], string | number])[] = [
  [[], Learn.none],
  [['other=1'], Learn.none],
  [['jsessionid=1'], Learn.none],
  [['XJSESSIONID=1; JSESSIONID=2'], Learn.none],
  [['JSESSIONID'], Learn.none],
  [['JSESSIONID; a=b'], Learn.none],
  [['JSESSIONID=abc.node1'], 'abc.node1'],
  [['JSESSIONID=abc; Path=/; HttpOnly'], 'abc'],
  [[' JSESSIONID = abc ;Path=/'], 'abc'],
  [['JSESSIONID="a=b"; Path=/'], '"a=b"'],
  [['JSESSIONID=abc; Max-Age=60'], 'abc'],
  [[`JSESSIONID=abc; Expires=${future}`], 'abc'],
  [['JSESSIONID=abc; Expires=0'], 'abc'],
  [['JSESSIONID=abc; Expires=never'], 'abc'],
  [['JSESSIONID=abc; Max-Age=soon'], 'abc'],
  [[`JSESSIONID=abc; Max-Age=60; Expires=${past}`], 'abc'],
  [['JSESSIONID='], Learn.released],
  [['JSESSIONID=; Path=/'], Learn.released],
  [['JSESSIONID=abc; max-age=0'], Learn.released],
  [['JSESSIONID=abc; MAX-AGE = -1'], Learn.released],
  [[`JSESSIONID=deleted; Expires=${past}`], Learn.released],
  [['JSESSIONID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/'], Learn.released],
  [[`JSESSIONID=abc; Max-Age=0; Expires=${future}`], Learn.released],
  [['JSESSIONID=old; Path=/', 'a=b', 'JSESSIONID=new; Path=/'], 'new'],
  [['JSESSIONID=; Path=/; Max-Age=0', 'JSESSIONID=new; Path=/'], 'new'],
  [['JSESSIONID=new; Path=/', 'JSESSIONID=; Path=/; Max-Age=0'], Learn.released],
  [['JSESSIONID=new; Path=/', 'JSESSIONID=; Path=/old; Max-Age=0'], 'new'],
  [['JSESSIONID=; Path=/old; Max-Age=0', 'JSESSIONID=new; Path=/'], 'new'],
  [['JSESSIONID=one; Path=/', 'JSESSIONID=two; Path=/a', 'JSESSIONID=three; Path=/'], 'three'],
  [['JSESSIONID=one; Domain=.shop.example', 'JSESSIONID=; Domain=SHOP.example'], Learn.released],
];

for (const [lines, expected] of table) {
  const what =
    typeof expected === 'string' ? `teaches ${expected}` : ['teaches nothing', '', 'releases the key'][expected];
  test(`Set-Cookie ${JSON.stringify(lines)} ${what}`, () => {
    assert.equal(learn(...lines), expected);
  });
}

test('what is learned from a response is the key of the request that brings it back', () => {
  for (const value of ['abc', '"quoted"', 'a=b=c', 'caf\xe9']) {
    const learned = new FoundKey();
    strategy.learn!(responseOf([`Set-Cookie: JSESSIONID=${value}; Path=/`]), learned);
    const found = new FoundKey();
    assert.equal(strategy.find(requestOf([`Cookie: a=b; JSESSIONID=${value}`]), '', 0, found), Find.found);
    assert.ok(found.key.equals(learned.key), value);
  }
});

test('each cookie of the name is a key, over pairs and lines, empty ones are passed over (behaviour 6)', () => {
  const head = requestOf([
    'Cookie: JSESSIONID=; JSESSIONID=one; a=JSESSIONID=x;JSESSIONID = y',
    'Cookie: JSESSIONID=two ;b=c',
  ]);
  const found = new FoundKey();
  assert.equal(strategy.find(head, '', 0, found), Find.found);
  assert.equal(found.text, 'one');
  assert.equal(strategy.find(head, '', 1, found), Find.found);
  assert.equal(found.text, 'two');
  assert.equal(strategy.find(head, '', 2, found), Find.none);
});

test('more cookies of one name than any browser sends are not gone through', () => {
  const head = requestOf([`Cookie: ${'JSESSIONID=a;'.repeat(100)}`]);
  const found = new FoundKey();
  assert.equal(strategy.find(head, '', 31, found), Find.found);
  assert.equal(strategy.find(head, '', 32, found), Find.none);
});

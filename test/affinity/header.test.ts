import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Find, FoundKey, Learn } from '../../src/affinity/strategy.ts';
import { requestOf, responseOf, strategyOf } from './pool-fixture.ts';

test('each line of the name is a key, in any case, empty ones are passed over', () => {
  const strategy = strategyOf({ by: 'header', name: 'X-Session-Id' });
  const head = requestOf(['X-SESSION-ID:', 'x-session-id:  one, two ', 'X-Session-Id: three']);
  const found = new FoundKey();
  assert.equal(strategy.find(head, '', 0, found), Find.found);
  assert.equal(found.text, 'one, two');
  assert.equal(strategy.find(head, '', 1, found), Find.found);
  assert.equal(found.text, 'three');
  assert.equal(strategy.find(head, '', 2, found), Find.none);
});

test('a header that limpet itself knows can be a key', () => {
  const found = new FoundKey();
  assert.equal(
    strategyOf({ by: 'header', name: 'Authorization' }).find(requestOf(['Authorization: Basic dTpw']), '', 0, found),
    Find.found,
  );
  assert.equal(found.text, 'Basic dTpw');
});

test('with learn the value of a response is the key of the request that brings it back', () => {
  const strategy = strategyOf({ by: 'header', name: 'Mcp-Session-Id', learn: true });
  const [learned, found] = [new FoundKey(), new FoundKey()];
  assert.equal(strategy.learn!(responseOf(['mcp-session-id: abc']), learned), Learn.learned);
  assert.equal(strategy.find(requestOf(['Mcp-Session-Id: abc']), '', 0, found), Find.found);
  assert.ok(found.key.equals(learned.key));
  assert.equal(strategy.learn!(responseOf(['Mcp-Session-Id:']), new FoundKey()), Learn.none);
  assert.equal(strategy.learn!(responseOf([]), new FoundKey()), Learn.none);
});

test('without learn nothing is learned', () => {
  assert.equal(strategyOf({ by: 'header', name: 'X-Session-Id' }).learn, null);
});

test('a long value is hashed each time, and not kept for each connection', () => {
  const strategy = strategyOf({ by: 'header', name: 'X-A' });
  const found = new FoundKey();
  const key = (value: string) => {
    assert.equal(strategy.find(requestOf([`X-A: ${value}`]), '', 0, found), Find.found);
    return [found.key.a, found.key.b, found.key.c, found.key.d].join();
  };
  const one = key('a'.repeat(5000));
  assert.equal(found.text, '');
  assert.notEqual(key('b'.repeat(5000)), one);
  assert.equal(key('a'.repeat(5000)), one);
});

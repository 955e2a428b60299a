import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AffinityStrategy, Find, FoundKey, KEY_SOURCES } from '../../src/affinity/strategy.ts';
import type { Head } from '../../src/http1/head.ts';

/** A request as a strategy is given it. */
export interface ContractRequest {
  readonly head: Head;
  readonly client: string;
}

/** What the suite needs of an implementation. */
export interface AffinityContract {
  /** The strategy of a pool of this name. Equal arguments, equal keys. */
  readonly make: (pool: string) => AffinityStrategy;
  /** A request whose key depends on `seed`. */
  readonly request: (seed: number) => ContractRequest;
  /** Requests that have the place of a key, and nothing in it. */
  readonly empty: readonly ContractRequest[];
  /** A request with these bytes where the key should be; they are latin1 text that may stand in a header. */
  readonly garbage: (bytes: string) => ContractRequest;
}

/** Bytes that the head parser lets through in a value. */
const value = fc
  .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }), fc.constant(9)), {
    maxLength: 120,
  })
  .map((codes) => String.fromCharCode(...codes));

/** What holds for every source of keys. */
export function affinityContract(name: string, contract: AffinityContract): void {
  const find = (strategy: AffinityStrategy, { head, client }: ContractRequest, nth = 0, found = new FoundKey()) => {
    const result = strategy.find(head, client, nth, found);
    return { result, found };
  };

  test(`${name}: its number is its place among the key sources`, () => {
    const strategy = contract.make('shop');
    assert.equal(KEY_SOURCES[strategy.by], strategy.source);
  });

  test(`${name}: what it says of itself holds`, () => {
    const strategy = contract.make('shop');
    assert.equal(strategy.issuer, strategy.source === 'cookie' ? strategy : null);
    assert.ok(strategy.files.every((file) => file.startsWith('/')));
    // Whoever makes keys names nobody by them.
    if (strategy.issuer !== null) assert.equal(strategy.userOf, null);
  });

  test(`${name}: a request with a key has one, and after the last one there is none (behaviour 6)`, () => {
    const strategy = contract.make('shop');
    const { result, found } = find(strategy, contract.request(1));
    assert.equal(result, Find.found);
    assert.equal(found.strategy, strategy);
    assert.notEqual(strategy.source === 'cookie' ? found.cookie : found.text, '');
    assert.equal(found.key.isZero(), false);
    assert.equal(find(strategy, contract.request(1), 1).result, Find.none);
    assert.equal(find(strategy, contract.request(1), 1_000_000).result, Find.none);
  });

  test(`${name}: the same key gives the same Key, with the memo and without it, another key another Key`, () => {
    const one = contract.make('shop');
    const { found } = find(one, contract.request(1));
    const first = [found.key.a, found.key.b, found.key.c, found.key.d];
    find(one, contract.request(1), 0, found);
    assert.deepEqual([found.key.a, found.key.b, found.key.c, found.key.d], first);
    assert.ok(find(contract.make('shop'), contract.request(1)).found.key.equals(found.key));
    find(one, contract.request(2), 0, found);
    assert.equal(find(one, contract.request(1)).found.key.equals(found.key), false);
    find(one, contract.request(1), 0, found);
    assert.deepEqual([found.key.a, found.key.b, found.key.c, found.key.d], first);
  });

  test(`${name}: the memo of another strategy is not taken for its own`, () => {
    const [shop, api] = [contract.make('shop'), contract.make('api')];
    const { found } = find(shop, contract.request(1));
    const again = find(api, contract.request(1), 0, found);
    const alone = find(api, contract.request(1));
    assert.equal(again.result, alone.result);
    // What is signed for one pool is no key at another.
    if (alone.result === Find.found) assert.ok(alone.found.key.equals(found.key));
    else assert.equal(found.strategy, null);
  });

  test(`${name}: two pools never share a Key`, () => {
    const shop = find(contract.make('shop'), contract.request(1)).found;
    const api = find(contract.make('api'), contract.request(1)).found;
    assert.equal(shop.key.equals(api.key), false);
  });

  test(`${name}: an empty key is no key (behaviours 5, 15, 22)`, () => {
    for (const request of contract.empty) {
      const { result, found } = find(contract.make('shop'), request);
      assert.ok(result === Find.none || result === Find.invalid, `result ${result}`);
      assert.equal(found.strategy, null);
    }
  });

  test(`${name}: whatever bytes come, nothing is thrown and the keys come to an end (behaviour 5)`, () => {
    const strategy = contract.make('shop');
    fc.assert(
      fc.property(value, (bytes) => {
        const request = contract.garbage(bytes);
        const found = new FoundKey();
        for (let nth = 0; ; nth++) {
          assert.ok(nth < 1000, 'there is always another key');
          const { result } = find(strategy, request, nth, found);
          if (result === Find.none) return;
          if (result === Find.found) assert.equal(found.strategy, strategy);
        }
      }),
      { numRuns: 300 },
    );
  });
}

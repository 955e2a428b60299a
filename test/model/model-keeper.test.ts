import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { DiscoveredMember } from '../../src/backends/discovery/discovered-member.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { CounterSums } from '../../src/metrics/counter-sums.ts';
import { Counters } from '../../src/metrics/counters.ts';
import { ModelKeeper, type ModelPlan } from '../../src/model/model-keeper.ts';

const SECRET = new Uint8Array(32);
let state: SharedState;
let sessions: number[];
let keeper: ModelKeeper;

beforeEach(() => {
  state = new SharedState(SharedState.allocate(1, 4), -1);
  sessions = [0, 0, 0, 0];
  keeper = new ModelKeeper({
    state,
    counters: new CounterSums(Counters.allocate(1, 3, 4, 2)),
    sessions: (slot) => sessions[slot]!,
    slots: 4,
    pools: 3,
    listeners: 2,
    keySecret: SECRET,
  });
});

function file(pools: Record<string, readonly string[]>): Config {
  const text = Object.entries(pools).map(([name, backends]) => `  ${name}: { backends: [${backends.join(', ')}] }\n`);
  const first = Object.keys(pools)[0];
  const loaded = parseConfig(
    `listeners: [{ bind: "127.0.0.1:8080" }]\nroutes: [{ pool: ${first} }]\npools:\n${text.join('')}`,
    'limpet.yaml',
    {},
  );
  assert.ok(!('errors' in loaded), JSON.stringify(loaded));
  return loaded.config;
}
const backend = (id: string, more = ''): string => `{ id: ${id}, url: "http://127.0.0.1:9001"${more} }`;

function plan(config: Config, found: ReadonlyMap<string, readonly DiscoveredMember[]> = new Map()): ModelPlan {
  return keeper.plan({ file: config, secrets: [SECRET], tls: new Map(), found }, true);
}
function go(...args: Parameters<typeof plan>): void {
  keeper.adopt(plan(...args));
}
const slotOf = (name: string): number => keeper.model.slots.get(name)!.slot;
const members = (pool = 'shop'): string[] => keeper.model.config.pools[pool]!.backends.map(({ id }) => id);

test('44: a backend that stays keeps slot and generation, one that comes gets its own', () => {
  go(file({ shop: [backend('a'), backend('b')] }));
  const before = new Map(keeper.model.slots);
  go(file({ shop: [backend('c'), backend('b'), backend('a', ', weight: 5')] }));
  for (const name of ['shop/a', 'shop/b']) assert.deepEqual(keeper.model.slots.get(name), before.get(name));
  assert.equal(state.configuredWeight(slotOf('shop/a')), 5);
  assert.equal(keeper.model.generation, 2);
});

test('44: a removed backend stays, draining, while it has a session or a request, and no longer', () => {
  go(file({ shop: [backend('a'), backend('b')] }));
  const a = slotOf('shop/a');
  sessions[a] = 1;
  go(file({ shop: [backend('b')] }));
  assert.deepEqual(members(), ['b', 'a']);
  assert.ok(keeper.model.departing.has('shop/a'));
  assert.equal(state.adminState(a), 'drain');
  assert.equal(keeper.pools[0]!.byId.get('a')!.departing, true);
  assert.equal(keeper.tidy(), false);
  sessions[a] = 0;
  state.begin(a);
  assert.equal(keeper.tidy(), false);
  state.end(a);
  assert.equal(keeper.tidy(), true, 'time for another model');
  keeper.adopt(keeper.plan(keeper.sources, false));
  assert.deepEqual(members(), ['b']);
  assert.equal(state.inUse(a), false);
  assert.equal(keeper.model.generation, 2, 'the file was not read again');
});

test('44: one with nothing to do is gone at once', () => {
  go(file({ shop: [backend('a'), backend('b')] }));
  const a = slotOf('shop/a');
  go(file({ shop: [backend('b')] }));
  assert.deepEqual(members(), ['b']);
  assert.equal(state.inUse(a), false);
});

test('12: put back while it drains it is the same; at another address, or after it was down, it is another', () => {
  const both = file({ shop: [backend('a'), backend('b')] });
  const one = file({ shop: [backend('b')] });
  go(both);
  const first = keeper.model.slots.get('shop/a')!;
  sessions[first.slot] = 1;
  go(one);
  go(both);
  assert.deepEqual(keeper.model.slots.get('shop/a'), first);
  assert.equal(state.adminState(first.slot), 'ready');

  go(one);
  go(file({ shop: [backend('a').replace('9001', '9009'), backend('b')] }));
  const second = keeper.model.slots.get('shop/a')!;
  assert.notDeepEqual([second.slot, second.generation], [first.slot, first.generation]);
  assert.ok(second.since! > 0, 'cookies from before name another life of it');

  sessions[first.slot] = 0;
  sessions[second.slot] = 1;
  go(one);
  state.setHealth(second.slot, 'down');
  go(file({ shop: [backend('a').replace('9001', '9009'), backend('b')] }));
  const third = keeper.model.slots.get('shop/a')!;
  assert.notDeepEqual([third.slot, third.generation], [second.slot, second.generation]);
  assert.equal(state.health(third.slot), 'unknown');
});

test('45: in its old slot a backend finds its counts, another backend there does not', () => {
  go(file({ shop: [backend('a'), backend('b')] }));
  const a = slotOf('shop/a');
  state.recordRequest(a);
  go(file({ shop: [backend('b')] }));
  go(file({ shop: [backend('a'), backend('b')] }));
  assert.equal(slotOf('shop/a'), a);
  assert.equal(state.requests(a), 1);
  assert.equal(keeper.model.slots.get('shop/a')!.generation, 2);
  go(file({ shop: [backend('b'), backend('c'), backend('d')] }));
  go(file({ shop: [backend('b'), backend('c'), backend('d'), backend('e')] }));
  assert.equal(slotOf('shop/e'), a);
  assert.equal(state.requests(a), 0);
});

test('what an operator has set stays until the value of the file changes', () => {
  go(file({ shop: [backend('a')] }));
  const a = slotOf('shop/a');
  state.setWeight(a, 9);
  state.setAdminState(a, 'maintenance');
  go(file({ shop: [backend('a'), backend('b')] }));
  assert.deepEqual([state.configuredWeight(a), state.adminState(a)], [9, 'maintenance']);
  go(file({ shop: [backend('a', ', weight: 2, state: drain'), backend('b')] }));
  assert.deepEqual([state.configuredWeight(a), state.adminState(a)], [2, 'drain']);
});

test('a plan that is discarded leaves nothing behind', () => {
  go(file({ shop: [backend('a')] }));
  const { model } = keeper;
  const other = plan(file({ shop: [backend('b'), backend('c')] }));
  assert.equal(state.inUse(other.model.slots.get('shop/b')!.slot), true);
  keeper.discard(other);
  assert.equal(keeper.model, model);
  assert.equal(state.inUse(other.model.slots.get('shop/b')!.slot), false);
  assert.equal(state.inUse(slotOf('shop/a')), true);
  go(file({ shop: [backend('a'), backend('b'), backend('c'), backend('d')] }));
});

test('too many backends or pools are an error that says so, and nothing has changed', () => {
  go(file({ shop: [backend('a')] }));
  assert.throws(() => plan(file({ shop: ['a', 'b', 'c', 'd', 'e'].map((id) => backend(id)) })), /no slot is free/);
  assert.throws(
    () => plan(file(Object.fromEntries(['shop', 'p', 'q', 'r'].map((name) => [name, [backend('a')]])))),
    /there is room for/,
  );
  go(file({ shop: ['a', 'b', 'c', 'd'].map((id) => backend(id)) }));
});

test('discovered members are backends like others, one of the file with the same id wins, and they depart too', () => {
  const config = file({ shop: [backend('a')] });
  go(
    config,
    new Map([
      [
        'shop',
        [
          { id: 'a', url: 'http://10.0.0.1:80', weight: 1, backup: false },
          { id: 'x', url: 'http://10.0.0.2:80', weight: 3, backup: true },
        ],
      ],
    ]),
  );
  assert.deepEqual(members(), ['a', 'x']);
  assert.equal(keeper.pools[0]!.byId.get('a')!.url, 'http://127.0.0.1:9001');
  assert.deepEqual([...keeper.model.discovered], ['shop/x']);
  const x = slotOf('shop/x');
  assert.deepEqual([state.configuredWeight(x), keeper.pools[0]!.byId.get('x')!.backup], [3, true]);
  sessions[x] = 1;
  go(config);
  assert.deepEqual([...keeper.model.departing], ['shop/x']);
});

test('25: the index of a pool is the same in every model', () => {
  go(file({ shop: [backend('a')], api: [backend('a')] }));
  const before = new Map(keeper.model.pools);
  go(file({ api: [backend('a')], other: [backend('a')] }));
  go(file({ api: [backend('a')], shop: [backend('a')] }));
  for (const name of ['shop', 'api']) assert.equal(keeper.model.pools.get(name), before.get(name));
  assert.deepEqual(
    keeper.pools.map(({ name, index }) => [name, index]),
    [
      ['api', before.get('api')],
      ['shop', before.get('shop')],
    ],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RatioSampler } from '../../src/tracing/ratio-sampler.ts';
import { TraceIds } from '../../src/tracing/trace-ids.ts';

test('ids have their form and do not come again, over many fillings', () => {
  const ids = new TraceIds();
  const seen = new Set<string>();
  for (let n = 0; n < 5_000; n++) {
    const trace = ids.trace();
    const span = ids.span();
    assert.match(trace, /^[0-9a-f]{32}$/);
    assert.match(span, /^[0-9a-f]{16}$/);
    seen.add(trace).add(span);
  }
  assert.equal(seen.size, 10_000);
});

test('zeros alone are no id', () => {
  let fillings = 0;
  const ids = new TraceIds((bytes) => bytes.fill(fillings++ === 0 ? 0 : 0xab));
  assert.equal(ids.span(), 'ab'.repeat(8));
  assert.equal(fillings, 2);
});

test('0% samples nothing, 100% everything', () => {
  const extremes = [`${'0'.repeat(31)}1`, 'f'.repeat(32), 'f'.repeat(16) + '0'.repeat(16)];
  for (const id of extremes) {
    assert.equal(new RatioSampler(0).samples(id), false);
    assert.equal(new RatioSampler(1).samples(id), true);
  }
});

test('a share of the traces is sampled, the same by every sampler, and all of them with a higher share too', () => {
  const ids = new TraceIds();
  const few = new RatioSampler(0.1);
  const more = new RatioSampler(0.3);
  let sampled = 0;
  for (let n = 0; n < 20_000; n++) {
    const id = ids.trace();
    if (!few.samples(id)) continue;
    sampled++;
    assert.ok(new RatioSampler(0.1).samples(id));
    assert.ok(more.samples(id));
  }
  // Ten standard deviations of 42.
  assert.ok(Math.abs(sampled - 2_000) < 420, String(sampled));
});

test('the decision is that of the last seven bytes', () => {
  const half = new RatioSampler(0.5);
  assert.equal(half.samples(`${'f'.repeat(18)}7fffffffffffff`), false);
  assert.equal(half.samples(`${'0'.repeat(18)}80000000000000`), true);
});

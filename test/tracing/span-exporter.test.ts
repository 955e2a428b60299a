import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Logger } from '../../src/logging/logger.ts';
import { createLogger } from '../../src/logging/logger.ts';
import { LabelledTotals } from '../../src/metrics/labelled-totals.ts';
import { type ExportLimits, SpanExporter } from '../../src/tracing/span-exporter.ts';
import { SpanKind, spanJson } from '../../src/tracing/span-json.ts';
import { Collector, refuseWith, takeAll } from '../support/collector.ts';
import { DeadPort } from '../support/dead-port.ts';
import { eventually } from '../support/eventually.ts';

const LONG = 20_000;
const QUICK = { delay: 5, firstPause: 5, longestPause: 20 };

function span(name: string): string {
  return spanJson({
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentId: '',
    remote: false,
    state: '',
    name,
    kind: SpanKind.server,
    start: 1_700_000_000_000.25,
    end: 1_700_000_000_001.5,
    failed: false,
    attributes: { number: 7, text: 'x'.repeat(5_000) },
  });
}

const batch = (...names: string[]) => ({ spans: names.map(span), lost: 0 });
const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `s${n}`);

describe('the export of spans', () => {
  const collector = new Collector();
  before(() => collector.start());
  after(() => collector.stop());

  const exporters: SpanExporter[] = [];
  afterEach(async () => {
    for (const exporter of exporters.splice(0)) await exporter.stop(0);
    collector.answer = takeAll;
    collector.spans.length = 0;
    collector.exports.length = 0;
  });

  const make = (limits: Partial<ExportLimits> = {}, url: string | null = collector.url) => {
    const labelled = new LabelledTotals();
    const lines: string[] = [];
    const log: Logger = createLogger('info', { write: (line) => void lines.push(line) });
    const exporter = new SpanExporter({ version: '1.2.3', labelled, log }, { ...QUICK, ...limits });
    exporter.change(url);
    exporters.push(exporter);
    const dropped = (): number =>
      [...labelled.series('limpet_spans_dropped_total')].reduce((sum, { count }) => sum + count, 0);
    return { exporter, dropped, log: () => lines.join('') };
  };
  const names = (): string[] => collector.spans.map(({ name }) => name);

  test('sends what has gathered, with what limpet is', async () => {
    const { exporter, dropped } = make();
    exporter.take(batch('one'));
    exporter.take(batch('two', 'three'));
    await eventually('three spans', () => names().length === 3, LONG);
    assert.deepEqual(names(), ['one', 'two', 'three']);
    const [first] = collector.spans;
    assert.equal(first!.start, 1_700_000_000_000_250_000n);
    assert.equal(first!.end, 1_700_000_000_001_500_000n);
    assert.equal(first!.attributes.number, 7);
    assert.equal(String(first!.attributes.text).length, 1_024);
    assert.equal(first!.resource['service.name'], 'limpet');
    assert.equal(first!.resource['service.version'], '1.2.3');
    assert.match(String(first!.resource['service.instance.id']), /^[0-9a-f-]{36}$/);
    assert.ok(first!.resource['host.name']);
    const [sent] = collector.exports;
    assert.equal(sent!.path, '/v1/traces');
    assert.equal(sent!.headers['content-type'], 'application/json');
    assert.equal(dropped(), 0);
  });

  test('a path that is written stays as it is', async () => {
    const { exporter } = make({}, `${collector.url}/otlp/traces?tenant=1`);
    exporter.take(batch('one'));
    await eventually('the export', () => collector.exports.length === 1, LONG);
    assert.equal(collector.exports[0]!.path, '/otlp/traces?tenant=1');
  });

  test('many spans leave in batches', async () => {
    const { exporter } = make({ batch: 100 });
    exporter.take(batch(...numbered(950)));
    await eventually('all spans', () => names().length === 950, LONG);
    assert.deepEqual(names(), numbered(950));
    assert.equal(collector.exports.length, 10);
  });

  for (const status of [429, 502, 503, 504]) {
    test(`${status}: sent again until it is taken`, async () => {
      let tries = 0;
      collector.answer = (response) => (++tries < 3 ? refuseWith(status)(response) : takeAll(response));
      const { exporter, dropped, log } = make();
      exporter.take(batch('one'));
      await eventually('the span', () => names().length === 1, LONG);
      assert.equal(collector.exports.length, 3);
      assert.equal(dropped(), 0);
      assert.match(log(), /spans are not taken: they wait/);
      await eventually('the line', () => /spans are taken again/.test(log()), LONG);
    });
  }

  for (const status of [400, 401, 404, 500]) {
    test(`${status}: dropped and counted, and not sent again`, async () => {
      collector.answer = refuseWith(status);
      const { exporter, dropped, log } = make();
      exporter.take(batch('one', 'two'));
      await eventually('the count', () => dropped() === 2, LONG);
      assert.equal(collector.exports.length, 1);
      assert.match(log(), new RegExp(`"spans":2,"why":"it answered ${status}"`));
    });
  }

  test('Retry-After is obeyed', async () => {
    let tries = 0;
    collector.answer = (response) => (++tries === 1 ? refuseWith(503, '1')(response) : takeAll(response));
    const { exporter } = make();
    exporter.take(batch('one'));
    await eventually('the span', () => names().length === 1, LONG);
    const [first, second] = collector.exports;
    // Timers may be early by a millisecond.
    assert.ok(second!.at - first!.at >= 990, String(second!.at - first!.at));
  });

  test('Retry-After that is too long is not obeyed', async () => {
    let tries = 0;
    collector.answer = (response) => (++tries === 1 ? refuseWith(429, '86400')(response) : takeAll(response));
    const { exporter } = make({ longestWait: 10 });
    exporter.take(batch('one'));
    await eventually('the span', () => names().length === 1, LONG);
  });

  test('Retry-After may be a date', async () => {
    let tries = 0;
    const past = new Date(Date.now() - 60_000).toUTCString();
    collector.answer = (response) => (++tries === 1 ? refuseWith(503, past)(response) : takeAll(response));
    const { exporter } = make();
    exporter.take(batch('one'));
    await eventually('the span', () => names().length === 1, LONG);
  });

  test('spans that the collector rejects are counted', async () => {
    collector.answer = (response) => {
      response.end('{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}');
      return true;
    };
    const { exporter, dropped, log } = make();
    exporter.take(batch('one', 'two', 'three'));
    await eventually('the count', () => dropped() === 2, LONG);
    assert.match(log(), /"why":"too old"/);
  });

  test('nobody listens: given up after some tries', async () => {
    const dead = await DeadPort.open();
    const { exporter, dropped } = make({ tries: 3 }, dead.url);
    exporter.take(batch('one'));
    await eventually('the count', () => dropped() === 1, LONG);
    await dead.close();
  });

  test('what does not fit is dropped and counted: spans, characters, and what workers have lost', async () => {
    const held: (() => void)[] = [];
    collector.answer = (response) => {
      held.push(() => takeAll(response));
      return true;
    };
    const { exporter, dropped } = make({ batch: 1, spans: 10 });
    exporter.take(batch('under way'));
    await eventually('the export', () => collector.exports.length === 1, LONG);
    exporter.take(batch(...numbered(25)));
    assert.equal(dropped(), 15);
    exporter.take({ spans: [], lost: 4 });
    assert.equal(dropped(), 19);
    collector.answer = takeAll;
    for (const release of held) release();
    await eventually('those that wait', () => names().length === 11, LONG);

    const other = make({ delay: 100_000, characters: 3 * span('s').length }, null);
    other.exporter.take(batch('s', 's', 's', 's'));
    assert.equal(other.dropped(), 1);
  });

  test('a stop sends what waits', async () => {
    const { exporter, dropped } = make({ delay: 100_000, batch: 100 });
    exporter.take(batch(...numbered(50)));
    await exporter.stop(LONG);
    assert.deepEqual(names(), numbered(50));
    assert.equal(dropped(), 0);
  });

  test('a stop ends a pause between two tries, and tries once more', async () => {
    collector.answer = refuseWith(503, '3600');
    const { exporter, dropped } = make({ longestWait: 3_600_000 });
    exporter.take(batch('one'));
    await eventually('the first try', () => collector.exports.length === 1, LONG);
    await exporter.stop(LONG);
    assert.ok(collector.exports.length >= 2);
    assert.equal(dropped(), 1);
  });

  test('a stop does not wait for a collector that does not answer', async () => {
    collector.answer = () => false;
    const { exporter, dropped, log } = make({ batch: 2 });
    exporter.take(batch('one', 'two', 'three'));
    await eventually('the first try', () => collector.exports.length === 1, LONG);
    const from = performance.now();
    await exporter.stop(50);
    assert.ok(performance.now() - from < 30_000);
    assert.equal(dropped(), 3);
    assert.match(log(), /spans were dropped/);
  });

  test('another endpoint gets what comes from then on', async () => {
    const other = await new Collector().start();
    const { exporter } = make();
    exporter.take(batch('here'));
    await eventually('the first span', () => names().length === 1, LONG);
    exporter.change(other.url);
    exporter.take(batch('there'));
    await eventually('the second span', () => other.spans.length === 1, LONG);
    assert.deepEqual(names(), ['here']);
    await other.stop();
  });

  test('switched off: late spans are dropped and counted', async () => {
    const { exporter, dropped } = make();
    exporter.change(null);
    exporter.take(batch('late'));
    await eventually('the count', () => dropped() === 1, LONG);
  });
});

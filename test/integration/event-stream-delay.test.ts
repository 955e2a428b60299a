import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { ask } from '../support/ask.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

/** Events of one batch, of each stream. */
const EVENTS = 100;
/** A machine with other things to do has good moments too: the best batch of so many counts. */
const BATCHES = 8;
/**
 * ms that limpet may add to the median. A timer or Nagle's algorithm adds 40 to each; on a quiet machine it is less
 * than one.
 */
const MOST_MS = 15;

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/**
 * Measures two ways in turn, `first` the direct one, until the second one adds no more than is allowed in one batch:
 * what a proxy holds back by a timer or by Nagle's algorithm, it holds back in each of them.
 */
async function assertAdds(t: TestContext, what: string, first: () => Promise<number>, second: () => Promise<number>) {
  let best = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < BATCHES; batch++) {
    const [direct, through]: [number[], number[]] = [[], []];
    for (let n = 0; n < EVENTS; n++) {
      direct.push(await first());
      through.push(await second());
    }
    best = Math.min(best, median(through) - median(direct));
    if (best <= MOST_MS) break;
  }
  t.diagnostic(`${what}: limpet adds ${best.toFixed(2)} ms to the median`);
  assert.ok(best <= MOST_MS, `${best} ms`);
}

/** A stream of events, with the response that they are written to. */
class EventStream {
  readonly #source: ServerResponse;
  #sent = 0;
  #text = '';
  #sentAt = 0;
  #arrived: ((ms: number) => void) | null = null;

  private constructor(source: ServerResponse, events: IncomingMessage) {
    this.#source = source;
    events.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
      if (!this.#text.endsWith(`data: event ${this.#sent}\n\n`)) return;
      this.#text = '';
      this.#arrived?.(performance.now() - this.#sentAt);
    });
  }

  static async open(t: TestContext, url: string, backend: HttpBackend): Promise<EventStream> {
    // A connection on which both sides have talked: on such a one a kernel may delay its acknowledgements.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    backend.answer = echo;
    for (let n = 0; n < 8; n++) await ask(`${url}/`, { agent });
    const { promise, resolve } = Promise.withResolvers<ServerResponse>();
    backend.answer = (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
      response.flushHeaders();
      resolve(response);
    };
    const outgoing = request(`${url}/events`, { headers: { accept: 'text/event-stream' }, agent }).end();
    t.after(() => outgoing.destroy());
    outgoing.on('error', () => {});
    const [events] = (await once(outgoing, 'response')) as [IncomingMessage];
    events.on('error', () => {});
    assert.equal(events.statusCode, 200);
    return new EventStream(await promise, events);
  }

  /**
   * Sends an event in two small pieces, where Nagle's algorithm would keep the second one until the first has been
   * acknowledged, and settles with the ms until it was there.
   */
  next(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#arrived = resolve;
    this.#sentAt = performance.now();
    this.#source.write(`id: ${++this.#sent}\n`);
    setTimeout(() => this.#source.write(`data: event ${this.#sent}\n\n`), 2);
    return promise;
  }
}

test('63, 74: an event is with the client when it would be without limpet, but for what passing it on takes', async (t) => {
  const backend = await new HttpBackend('a').start();
  t.after(() => backend.stop());
  const limpet = await startLimpetProcess(`pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`);
  t.after(limpet.stop);
  const direct = await EventStream.open(t, backend.url, backend);
  const through = await EventStream.open(t, limpet.url, backend);
  await assertAdds(
    t,
    'an event',
    () => direct.next(),
    () => through.next(),
  );
});

test('74: a long poll is answered at once when the backend answers', async (t) => {
  const waiting: ServerResponse[] = [];
  let came: () => void = () => {};
  const backend = await new HttpBackend('a', (_request, response) => {
    waiting.push(response);
    came();
  }).start();
  t.after(() => backend.stop());
  const limpet = await startLimpetProcess(`pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`);
  t.after(limpet.stop);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const poll = async (url: string): Promise<number> => {
    const arrived = new Promise<void>((resolve) => {
      came = resolve;
    });
    const answer = ask(`${url}/poll`, { agent });
    await Promise.race([arrived, answer]);
    const answered = performance.now();
    waiting.pop()!.end('something has happened');
    assert.equal((await answer).body, 'something has happened');
    return performance.now() - answered;
  };
  await assertAdds(
    t,
    'a long poll',
    () => poll(backend.url),
    () => poll(limpet.url),
  );
});

/**
 * Raw messages from the tests of llhttp and of Apache httpd, and messages from a generator, through a running limpet.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { CORPUS, type CorpusMessage, readCorpus } from '../fuzz/corpus.ts';
import { http2Request } from '../fuzz/http2-request-generator.ts';
import { type Answer, readAnswers } from '../fuzz/read-answers.ts';
import { RecordingOrigin } from '../fuzz/recording-origin.ts';
import { requestText } from '../fuzz/request-generator.ts';
import { responseText } from '../fuzz/response-generator.ts';
import { SeededRandom } from '../fuzz/seeded-random.ts';
import { idsOf, LENIENT_REQUESTS, LENIENT_RESPONSES, STRICTER_REQUESTS, STRICTER_RESPONSES } from '../fuzz/stricter.ts';
import { Flag, FrameClient, frame, literals, Type } from '../support/http2-frames.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { often } from '../support/long.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';

const GENERATED = Number(process.env.FUZZ_CASES ?? often(100, 2_000));
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const ABSENT = `the corpus is not at ${CORPUS}`;

const H2C = 'listeners: [{ bind: "127.0.0.1:0", h2c: true }]\n';

function poolOf(url: string): string {
  return `workers: 1\nlog: { access: false }\npools: { p: { backends: [{ id: a, url: "${url}" }] } }\n`;
}

/** No defect was found and no worker ended (behaviour 69). */
function assertNoCrash(limpet: LimpetProcess): void {
  assert.equal(limpet.process.exitCode, null);
  assert.deepEqual(
    limpet.log.filter(({ level, worker }) => level === 'error' || level === 'fatal' || worker !== undefined),
    [],
  );
}

describe('53: raw requests through limpet to an origin that records every byte', () => {
  let origin: RecordingOrigin;
  let limpet: LimpetProcess;

  before(async () => {
    origin = await RecordingOrigin.start();
    limpet = await startLimpetProcess(H2C + poolOf(origin.url));
  });
  after(async () => {
    await limpet?.stop();
    await origin?.stop();
  });

  /** Sends the bytes and FIN on a connection of its own; holds that nothing is dirty, out of step, or garbage. */
  async function exchange(text: string, name: string): Promise<readonly Answer[]> {
    origin.reset();
    const client = await RawClient.open(limpet.port);
    client.socket.end(Buffer.from(text, 'latin1'));
    await client.end();
    client.close();
    const { answers, garbage } = readAnswers(client.text, /^(?:\r\n)*HEAD /.test(text));
    assert.deepEqual(origin.dirty, [], `dirty: ${name}: ${JSON.stringify(text)}`);
    assert.equal(garbage, '', `garbage: ${name}: ${JSON.stringify(client.text)}`);
    assert.ok(
      origin.requests <= answers.length,
      `desync: ${name}: the origin saw ${origin.requests} requests, the client got ${answers.length} answers: ${JSON.stringify(text)}`,
    );
    return answers;
  }

  test('53: of the corpus nothing is dirty, nothing out of step, nothing garbage; what limpet refuses is listed, and what it takes', async (t) => {
    const messages = readCorpus('requests.jsonl');
    if (messages === null) return t.skip(ABSENT);
    const stricter: string[] = [];
    const lenient: string[] = [];
    for (const { id, text, expect } of messages) {
      const answers = await exchange(text, id);
      const refused = answers.some(({ error }) => error !== '');
      if (expect === 'ok' && refused && !isWithoutHost(text)) stricter.push(id);
      if (expect === 'reject' && (origin.requests > 0 || answers.some(({ error }) => error === ''))) lenient.push(id);
      if (isWithoutHost(text)) assert.ok(refused || answers.length === 0, id);
    }
    t.diagnostic(`${messages.length} requests: dirty 0, desync 0, garbage 0`);
    assert.deepEqual(stricter.sort(), idsOf(STRICTER_REQUESTS));
    assert.deepEqual(lenient.sort(), idsOf(LENIENT_REQUESTS));
    assertNoCrash(limpet);
  });

  test('53: neither is of generated requests', async (t) => {
    const random = new SeededRandom(SEED);
    let reached = 0;
    for (let i = 0; i < GENERATED; i++) {
      // Without HEAD: which answers have a body would have to be known from the requests.
      await exchange(requestText(random).replaceAll('HEAD', 'LOCK'), `FUZZ_SEED=${SEED}, case ${i}`);
      if (origin.requests > 0) reached++;
    }
    t.diagnostic(`seed ${SEED}: ${reached} of ${GENERATED} reached the origin`);
    assert.ok(reached > GENERATED / 10);
    assertNoCrash(limpet);
  });

  test('53: neither is of generated requests over HTTP/2, which bring no request but themselves', async (t) => {
    const random = new SeededRandom(SEED);
    let reached = 0;
    for (let i = 0; i < GENERATED; i++) {
      const { fields, data, ends } = http2Request(random);
      const name = `FUZZ_SEED=${SEED}, case ${i}: ${JSON.stringify({ fields, data, ends })}`;
      origin.reset();
      const client = await FrameClient.open(limpet.port);
      const flags = Flag.endHeaders | (data.length === 0 ? Flag.endStream : 0);
      client.send(
        frame(Type.headers, flags, 1, literals(fields)),
        ...data.map((piece, at) =>
          frame(Type.data, ends && at === data.length - 1 ? Flag.endStream : 0, 1, Buffer.from(piece, 'latin1')),
        ),
      );
      const whole = data.length === 0 || ends;
      if (await client.alive()) {
        if (whole) await client.ended(1);
        // What a client leaves open ends with it.
        await client.alive();
      }
      client.close();
      assert.deepEqual(origin.dirty, [], `dirty: ${name}`);
      assert.ok(origin.requests <= 1, `more than one request: ${name}`);
      assert.ok(!origin.paths.includes('/hidden'), `hidden: ${name}`);
      reached += origin.requests;
    }
    t.diagnostic(`seed ${SEED}: ${reached} of ${GENERATED} reached the origin`);
    assert.ok(reached > GENERATED / 10);
    assertNoCrash(limpet);
  });
});

/** Whether the first request of `text` is of HTTP/1.1 and has no Host. */
function isWithoutHost(text: string): boolean {
  const head = text.split('\r\n\r\n', 1)[0]!;
  return /^(?:\r\n)*\S+ \S+ HTTP\/1\.1\r?$/m.test(head) && !/^host[ \t]*:/im.test(head);
}

describe('54: raw responses through limpet to a client', () => {
  let backend: RawBackend;
  let limpet: LimpetProcess;
  let response = '';

  before(async () => {
    backend = await RawBackend.start(({ text, socket }) => {
      if (text.endsWith('\r\n\r\n')) socket.end(Buffer.from(response, 'latin1'));
    });
    limpet = await startLimpetProcess(H2C + poolOf(backend.url));
  });
  after(async () => {
    await limpet?.stop();
    await backend?.stop();
  });

  /**
   * Has the backend answer a request with these bytes and FIN; holds that the client gets one HTTP/1.1 response and
   * nothing else.
   */
  async function exchange(text: string, method: string, name: string): Promise<Answer> {
    response = text;
    const client = await RawClient.open(limpet.port);
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await client.end();
    client.close();
    const { answers, garbage } = readAnswers(client.text, method === 'HEAD');
    assert.equal(garbage, '', `garbage: ${name}: ${JSON.stringify(client.text)} for ${JSON.stringify(text)}`);
    assert.equal(answers.length, 1, `${name}: ${JSON.stringify(client.text)} for ${JSON.stringify(text)}`);
    const answer = answers[0]!;
    if (answer.error !== '') assert.match(answer.error, /^BACKEND_(?:PROTOCOL|RESET)$/, name);
    return answer;
  }

  test('54, 72: of the corpus each is passed on as a valid response or answered with 502; which is listed', async (t) => {
    const messages: CorpusMessage[] | null = readCorpus('responses.jsonl');
    if (messages === null) return t.skip(ABSENT);
    const stricter: string[] = [];
    const lenient: string[] = [];
    for (const { id, text, expect } of messages) {
      const { error } = await exchange(text, 'GET', id);
      if (expect === 'ok' && error !== '') stricter.push(id);
      if (expect === 'reject' && error === '') lenient.push(id);
    }
    t.diagnostic(`${messages.length} responses: garbage 0`);
    assert.deepEqual(stricter.sort(), idsOf(STRICTER_RESPONSES));
    assert.deepEqual(lenient.sort(), idsOf(LENIENT_RESPONSES));
    assertNoCrash(limpet);
  });

  test('54: to a client of HTTP/2 each is what it is to one of HTTP/1.1, and no stream that broke off looks whole', async () => {
    const messages = readCorpus('responses.jsonl') ?? [];
    const random = new SeededRandom(SEED);
    const texts = [
      ...messages.map(({ text }) => text),
      ...Array.from({ length: GENERATED }, () => responseText(random)),
    ];
    const session = connect(limpet.url);
    session.on('error', () => {});
    for (const text of texts) {
      const { status, error, body, complete } = await exchange(text, 'GET', 'over HTTP/2');
      const stream = session.request({ ':path': '/', ':authority': 'a' });
      const { promise, resolve } = Promise.withResolvers<void>();
      let other = 0;
      let data = '';
      stream.on('response', (headers) => {
        other = Number(headers[':status']);
      });
      stream.setEncoding('latin1').on('data', (piece: string) => {
        data += piece;
      });
      // Not `once`, which rejects when the stream is reset.
      stream.on('error', () => {});
      stream.on('close', () => resolve());
      await promise;
      const whole = stream.rstCode === 0;
      // node:http2 has no status above 599.
      if (status > 599) continue;
      assert.equal(whole, complete, JSON.stringify(text));
      if (!complete) continue;
      assert.equal(other, status, JSON.stringify(text));
      // The pages of limpet's own have an id in them; a 205 has no body.
      if (error === '' && status !== 205) assert.equal(data, body, JSON.stringify(text));
    }
    session.destroy();
    assertNoCrash(limpet);
  });

  test('54: so is each of generated responses', async () => {
    const random = new SeededRandom(SEED);
    for (let i = 0; i < GENERATED; i++) {
      await exchange(responseText(random), random.pick(['GET', 'POST', 'HEAD']), `FUZZ_SEED=${SEED}, case ${i}`);
    }
    assertNoCrash(limpet);
  });
});

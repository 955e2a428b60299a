import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerReader } from '../../bench/load/answer-reader.ts';
import { type LoadJob, marksOf, uploadOf } from '../../bench/load/load.ts';
import { parseWrk, wrkScript } from '../../bench/load/wrk.ts';
import { type HeaderLine, PLAIN_GET, requestHead } from '../../bench/request-head.ts';
import { tokenMarks } from '../../bench/tokens.ts';

const job: LoadJob = {
  port: 8080,
  connections: 2,
  seconds: 1,
  method: 'GET',
  path: '/',
  marks: [],
  headers: 'plain',
  uploadBytes: 0,
  tls: false,
  close: false,
  rate: null,
};

const mark = (value: string): HeaderLine => ['Cookie', value];

test('each session belongs to one connection; with too few of them the connections share', () => {
  const four = { ...job, marks: ['s=0', 's=1', 's=2', 's=3'].map(mark) };
  assert.deepEqual(
    [marksOf(four, 0), marksOf(four, 1)],
    [
      [mark('s=0'), mark('s=2')],
      [mark('s=1'), mark('s=3')],
    ],
  );
  assert.deepEqual(marksOf({ ...job, marks: [mark('s=0')] }, 1), [mark('s=0')]);
  assert.deepEqual(marksOf(job, 1), [null]);
});

test('the browser sends 20 headers, the plain load Host, Connection and Cookie, an upload its length', () => {
  const lines = (shape: Partial<LoadJob>) =>
    requestHead('127.0.0.1:1', { ...PLAIN_GET, ...shape }, mark('sid=1'))
      .split('\r\n')
      .slice(0, -2);
  assert.equal(lines({ headers: 'browser' }).length, 21);
  assert.deepEqual(lines({}), ['GET / HTTP/1.1', 'Host: 127.0.0.1:1', 'Connection: keep-alive', 'Cookie: sid=1']);
  assert.deepEqual(lines({ method: 'POST', uploadBytes: 9 }).slice(0, 4), [
    'POST / HTTP/1.1',
    'Host: 127.0.0.1:1',
    'Connection: keep-alive',
    'Content-Length: 9',
  ]);
  assert.equal(uploadOf(1000).length, 1000);
});

test('tokens are signed: the last part is the HMAC of the first two', () => {
  const [first, second] = tokenMarks('secret', 2);
  assert.notEqual(first?.[1], second?.[1]);
  const [header, claims, signature] = first![1].slice('Bearer '.length).split('.');
  assert.equal(JSON.parse(Buffer.from(claims!, 'base64url').toString()).sub, 'user-0');
  assert.equal(createHmac('sha256', 'secret').update(`${header}.${claims}`).digest('base64url'), signature);
});

test('answers are counted however they are cut into chunks', () => {
  const answers =
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhelloHTTP/1.1 503 No\r\ncontent-length:0\r\n\r\n';
  const wire = Buffer.from(answers.repeat(2));
  fc.assert(
    fc.property(fc.array(fc.nat(wire.length), { maxLength: 10 }), (cuts) => {
      const seen: number[] = [];
      const reader = new AnswerReader((status) => seen.push(status));
      const borders = [0, ...cuts.sort((a, b) => a - b), wire.length];
      for (let i = 1; i < borders.length; i++) assert.ok(reader.push(wire.subarray(borders[i - 1], borders[i])));
      assert.deepEqual(seen, [200, 503, 200, 503]);
    }),
  );
  assert.equal(new AnswerReader(() => {}).push(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), false);
});

test('the figures of wrk are read from its line, and their absence is an error with what it printed', () => {
  const output =
    'Running 1s test\nRESULT {"requests":9,"microseconds":2000000,"errors":1,"non2xx":2,"p50":1500,"p99":3000,"p999":4000}\n';
  const expected = { requests: 9, seconds: 2, errors: 1, non2xx: 2, p50: 1.5, p99: 3, p999: 4 };
  assert.deepEqual(parseWrk(output), expected);
  assert.throws(() => parseWrk('unable to connect'), /wrk printed no result: unable to connect/);
  const script = wrkScript({ ...job, marks: [mark('sid=1')], method: 'POST', uploadBytes: 10 }, '/tmp/sessions');
  assert.match(script, /local before, after = "POST \/ HTTP\/1\.1\\r\\nHost: 127\.0\.0\.1:8080\\r\\n/);
  assert.match(script, /Content-Length: 10\\r\\n", "\\r\\n"\n/);
});

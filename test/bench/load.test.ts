import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerReader } from '../../bench/load/answer-reader.ts';
import { cookiesOf, type LoadJob } from '../../bench/load/load.ts';
import { parseWrk, wrkScript } from '../../bench/load/wrk.ts';
import { requestHead } from '../../bench/request-head.ts';

const job: LoadJob = {
  port: 8080,
  connections: 2,
  seconds: 1,
  cookies: [],
  headers: 'plain',
  tls: false,
  close: false,
  rate: null,
};

test('each session belongs to one connection; with too few of them the connections share', () => {
  const four = { ...job, cookies: ['s=0', 's=1', 's=2', 's=3'] };
  assert.deepEqual(
    [cookiesOf(four, 0), cookiesOf(four, 1)],
    [
      ['s=0', 's=2'],
      ['s=1', 's=3'],
    ],
  );
  assert.deepEqual(cookiesOf({ ...job, cookies: ['s=0'] }, 1), ['s=0']);
  assert.deepEqual(cookiesOf(job, 1), [null]);
});

test('the browser sends 20 headers, the plain load Host, Connection and Cookie', () => {
  const lines = (set: 'plain' | 'browser') => requestHead('127.0.0.1:1', set, 'sid=1').split('\r\n').slice(1, -2);
  assert.equal(lines('browser').length, 20);
  assert.deepEqual(lines('plain'), ['Host: 127.0.0.1:1', 'Connection: keep-alive', 'Cookie: sid=1']);
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
    'Running 1s test\nRESULT {"requests":9,"microseconds":2000000,"errors":1,"non2xx":2,"p50":1500,"p99":3000}\n';
  const expected = { requests: 9, seconds: 2, errors: 1, non2xx: 2, p50: 1.5, p99: 3 };
  assert.deepEqual(parseWrk(output), expected);
  assert.throws(() => parseWrk('unable to connect'), /wrk printed no result: unable to connect/);
  assert.match(
    wrkScript({ ...job, cookies: ['sid=1', 'sid=2'] }),
    /Cookie: sid=2\\r\\n\\r\\n"\n\}\nlocal next, count = 0, 2/,
  );
});

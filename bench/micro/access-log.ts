/**
 * What a line of the access log costs, put together by hand and by pino. CPU time, so other work on the machine counts
 * little. `node bench/micro/access-log.ts`
 */
import pino from 'pino';
import { AccessLog, type AccessRecord } from '../../src/logging/access-log.ts';
import { spread } from '../statistics.ts';

const LINES = 200_000;
const ROUNDS = 7;

const record: AccessRecord = {
  time: Date.now(),
  id: '5b0c8c6e9d1f4a7f',
  client: '203.0.113.7',
  method: 'GET',
  host: 'shop.example',
  path: '/api/cart/items/42?sid=abcdef',
  status: 200,
  bytesIn: 0,
  bytesOut: 1234,
  durationMs: 1.234567,
  pool: 'shop',
  backend: 'a',
  session: 'q83vASNFZ4mrze8BI0VniQ',
  affinity: 1,
  attempts: 1,
  error: null,
  detail: '',
};
let batch = '';
const sink = {
  write(line: string): void {
    batch += line;
    if (batch.length > 400_000) {
      // What sending it to another thread does to the string: its parts become one.
      Buffer.from(batch, 'latin1');
      batch = '';
    }
  },
};
const access = new AccessLog(sink);
const general = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, sink);

const subjects = {
  'by hand': () => access.log(record),
  'by pino': () => general.info(record, 'request'),
};
for (const [name, line] of Object.entries(subjects)) {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < LINES; i++) {
      record.time += 0.3;
      record.durationMs = (i % 5000) / 997;
      line();
    }
    const { user, system } = process.cpuUsage(start);
    times.push(((user + system) * 1000) / LINES);
  }
  const { median, min, max } = spread(times.slice(1));
  console.log(`${name}: ${median.toFixed(0)} ns a line (${min.toFixed(0)} to ${max.toFixed(0)})`);
}

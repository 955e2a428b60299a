import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const run = promisify(execFile);

/** Programs that not every machine has: their tests are left out there. */
async function lacks(program: string): Promise<string | false> {
  try {
    await run(program, ['--version']);
    return false;
  } catch {
    return `${program} is not installed`;
  }
}

const withoutH2load = await lacks('h2load');
const withoutCurl = await lacks('curl');

const backends = ['a', 'b'].map((id) => new HttpBackend(id));
let limpet: LimpetProcess;

before(async () => {
  await Promise.all(backends.map((backend) => backend.start()));
  const [a, b] = backends as [HttpBackend, HttpBackend];
  limpet = await startLimpetProcess(`
listeners: [{ bind: "127.0.0.1:0", h2c: true }]
workers: 2
log: { access: false }
pools:
  app:
    backends: [{ id: a, url: "${a.url}" }, { id: b, url: "${b.url}" }]
`);
});

after(async () => {
  await limpet?.stop();
  await Promise.all(backends.map((backend) => backend.stop()));
});

test('h2load: 100 connections with 32 streams each, and no failed request', { skip: withoutH2load }, async () => {
  const { stdout } = await run('h2load', ['-c', '100', '-m', '32', '-n', '3200', limpet.url], { timeout: 240_000 });
  assert.match(stdout, /requests: 3200 total, 3200 started, 3200 done, 3200 succeeded, 0 failed, 0 errored, 0 timeout/);
  assert.match(stdout, /status codes: 3200 2xx/);
});

test('curl sends and gets the same bytes over every version on one port', { skip: withoutCurl }, async () => {
  const body = randomBytes(3 * 1_048_576);
  const sum = createHash('sha256').update(body).digest('hex');
  for (const backend of backends) {
    backend.answer = (request, response) => {
      const hash = createHash('sha256');
      request.on('data', (piece: Buffer) => hash.update(piece));
      request.on('end', () => {
        response.setHeader('x-sum', hash.digest('hex'));
        response.end(body);
      });
    };
  }
  for (const version of ['--http2-prior-knowledge', '--http1.1', '--http1.0']) {
    for (const more of [
      [],
      ['-H', 'Expect: 100-continue'],
      ['-H', 'Content-Length:', '-H', 'Transfer-Encoding: chunked'],
    ]) {
      if (version === '--http1.0' && more.length > 2) continue;
      const args = [
        '-sS',
        version,
        '-D',
        '-',
        '--data-binary',
        '@-',
        ...(version.includes('2') ? more.slice(0, 2) : more),
      ];
      const child = run('curl', [...args, limpet.url], { encoding: 'buffer', maxBuffer: 8 * 1_048_576 });
      child.child.stdin!.end(body);
      const { stdout } = await child;
      const said = version.includes('2') ? 'HTTP/2 200' : 'HTTP/1.1 200';
      const head = stdout.subarray(0, stdout.length - body.length).toString('latin1');
      assert.ok(head.includes(said), `${version}: ${head}`);
      assert.match(head, new RegExp(`x-sum: ${sum}`, 'i'));
      assert.ok(stdout.subarray(-body.length).equals(body));
    }
  }
});

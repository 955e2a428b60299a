import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

const ROUNDS = 15;
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Answers whatever has come, and keeps its connections. */
class Keeping {
  readonly server: Server;
  readonly open = new Set<Socket>();

  constructor(make: (serve: (socket: Socket) => void) => Server) {
    this.server = make((socket) => {
      this.open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.open.delete(socket));
      socket.on('data', () => socket.write(ANSWER));
    });
  }

  /** Ends all connections, and settles when that has left this process. */
  async hangUp(): Promise<void> {
    await Promise.all([...this.open].map((socket) => new Promise<void>((resolve) => socket.end(() => resolve()))));
  }
}

describe('F3: what ends an idle connection to a backend is known before a request goes out on it', () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-idle-'));
  const certificates = new Certificates();
  const backends: Record<string, Keeping> = {};
  let limpet: LimpetProcess;

  before(async () => {
    const { certPem, keyPem } = certificates.make('idle', { names: ['127.0.0.1'] });
    backends.tcp = new Keeping((serve) => createServer(serve));
    backends.proxied = new Keeping((serve) => createServer(serve));
    backends.unix = new Keeping((serve) => createServer(serve));
    backends.tls = new Keeping((serve) => createTlsServer({ cert: certPem, key: keyPem }, serve));
    const path = join(directory, 'backend');
    for (const [name, { server }] of Object.entries(backends)) {
      if (name === 'unix') server.listen(path);
      else server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const url = (name: string): string => {
      const { port } = backends[name]!.server.address() as AddressInfo;
      return name === 'unix' ? `unix:${path}` : `${name === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}`;
    };
    const names = Object.keys(backends);
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'routes:',
        ...names.map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        ...names.map(
          (name) =>
            `  ${name}: { backends: [{ id: a, url: "${url(name)}" }], affinity: [], tls: { verify: false }${name === 'proxied' ? ', sendProxyProtocol: v1' : ''} }`,
        ),
      ].join('\n'),
    );
  });
  after(async () => {
    limpet?.process.kill('SIGCONT');
    await limpet?.stop();
    for (const { server, open } of Object.values(backends)) {
      for (const socket of open) socket.destroy();
      server.close();
    }
    certificates.remove();
    rmSync(directory, { recursive: true });
  });

  async function stopped(pid: number): Promise<void> {
    process.kill(pid, 'SIGSTOP');
    await eventually('the stop', () => /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
  }

  for (const name of ['tcp', 'proxied', 'unix', 'tls']) {
    test(`F3: a POST that came while limpet stood still and its backend hung up, ${name}`, async () => {
      const { pid } = limpet.process;
      const answers: string[] = [];
      for (let n = 0; n < ROUNDS; n++) {
        const client = await RawClient.open(limpet.port);
        client.send(`GET /${name} HTTP/1.1\r\nHost: idle\r\n\r\n`);
        await client.until(isWhole);
        client.text = '';
        await stopped(pid!);
        await new Promise<void>((resolve) =>
          client.socket.write(`POST /${name} HTTP/1.1\r\nHost: idle\r\nContent-Length: 2\r\n\r\nhi`, () => resolve()),
        );
        // A turn that came late, and not later than a connection is kept.
        await new Promise((resolve) => setTimeout(resolve, 150));
        await backends[name]!.hangUp();
        process.kill(pid!, 'SIGCONT');
        answers.push((await client.until(isWhole)).slice(9, 12));
        client.close();
      }
      assert.deepEqual(answers, new Array(ROUNDS).fill('200'));
    });
  }

  test('F3: in one turn of the loop the ends of connections to backends are told first', () => {
    const child = new URL('../sockets/child.ts', import.meta.url).pathname;
    const [line = ''] = execFileSync(process.execPath, [child, 'first'], { encoding: 'utf8' }).split('\n');
    const { calls, told } = JSON.parse(line) as { calls: boolean; told: string[] };
    if (!calls) return;
    assert.equal(told.length, 40);
    assert.deepEqual(told.slice(0, 20), new Array(20).fill('backend'));
  });
});

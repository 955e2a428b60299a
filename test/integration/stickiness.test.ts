import assert from 'node:assert/strict';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { type BackendProcess, startBackends } from '../support/backends.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { often } from '../support/long.ts';

const CLIENTS = 200;
const REQUESTS = often(15, 50);

interface Answer {
  readonly status: number;
  readonly backend: string;
  readonly headers: IncomingHttpHeaders;
}

function get(url: string, agent: Agent, headers: Record<string, string>): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request(url, { agent, headers }, (response) => {
    response.resume();
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        backend: String(response.headers['x-backend']),
        headers: response.headers,
      }),
    );
    response.on('error', reject);
  })
    .on('error', reject)
    .end();
  return promise;
}

function jwt(sub: string, more: object = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ sub, ...more })}.c2lnbmF0dXJl`;
}

describe('stickiness with 3 backends of weights 1, 2 and 1, and 2 workers', () => {
  let backends: BackendProcess[];
  let limpet: LimpetProcess;

  before(async () => {
    backends = await startBackends('a', 'b', 'c');
    const list = backends
      .map(({ id, url }) => `      - { id: ${id}, url: "${url}", weight: ${id === 'b' ? 2 : 1} }`)
      .join('\n');
    const pool = (affinity: string): string =>
      `    backends:\n${list}\n    balance: round-robin\n    affinity: [${affinity}]\n`;
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'trustedProxies: [127.0.0.1/32]',
        'routes:',
        '  - { match: { path: /token }, pool: token }',
        '  - { match: { path: /ip }, pool: ip }',
        '  - { pool: cookie }',
        'pools:',
        `  cookie:\n${pool('{ by: cookie }')}`,
        `  token:\n${pool('{ by: token, from: authorization, claim: sub }')}`,
        `  ip:\n${pool('{ by: ip }')}`,
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all((backends ?? []).map((backend) => backend.kill()));
  });

  /** Runs all clients at once; returns the backend of each, after 50 requests that all went there. */
  async function run(
    path: string,
    agentOf: (client: number) => Agent,
    headersOf: (client: number, cookie: string, turn: number) => Record<string, string>,
  ): Promise<string[]> {
    return Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        let cookie = '';
        let home = '';
        for (let turn = 0; turn < REQUESTS; turn++) {
          const answer = await get(limpet.url + path, agentOf(client), headersOf(client, cookie, turn));
          assert.equal(answer.status, 200);
          const [setCookie] = answer.headers['set-cookie'] ?? [];
          if (setCookie !== undefined) {
            assert.equal(turn, 0, 'Set-Cookie goes out with a new session only (behaviour 2)');
            cookie = setCookie.split(';')[0]!;
          }
          home ||= answer.backend;
          assert.equal(answer.backend, home, `client ${client} left its backend at request ${turn}`);
        }
        return home;
      }),
    );
  }

  function assertShares(homes: string[]): void {
    const count = (id: string): number => homes.filter((home) => home === id).length;
    // Two workers each go round on their own, and how the kernel spreads connections over them is not even.
    assert.ok(Math.abs(count('a') - CLIENTS / 4) <= 12, `a got ${count('a')} of ${CLIENTS}`);
    assert.ok(Math.abs(count('b') - CLIENTS / 2) <= 16, `b got ${count('b')} of ${CLIENTS}`);
    assert.ok(Math.abs(count('c') - CLIENTS / 4) <= 12, `c got ${count('c')} of ${CLIENTS}`);
  }

  const kinds = {
    cookie: {
      path: '/',
      headers: (_client: number, cookie: string): Record<string, string> =>
        cookie === '' ? {} : { cookie: `theme=dark; ${cookie}; x=1` },
    },
    ip: {
      path: '/ip',
      headers: (client: number): Record<string, string> => ({
        'x-forwarded-for': `10.1.${client >> 8}.${client & 255}`,
      }),
    },
    // Each token is another one, as after a refresh, for the same subject (behaviour 19).
    token: {
      path: '/token',
      headers: (client: number, _cookie: string, turn: number): Record<string, string> => ({
        authorization: `Bearer ${jwt(`user-${client}`, { iat: turn })}`,
      }),
    },
  };

  for (const [kind, { path, headers }] of Object.entries(kinds)) {
    test(`1, 14: 200 ${kind} clients over 20 shared connections each stay on one backend for ${REQUESTS} requests, new ones by weight`, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 20 });
      assertShares(
        await run(
          path,
          () => agent,
          (client, cookie, turn) => headers(client, cookie, turn),
        ),
      );
      agent.destroy();
    });

    test(`1, 14: 200 ${kind} clients over connections of their own each stay on one backend for ${REQUESTS} requests`, async () => {
      const agents = Array.from({ length: CLIENTS }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
      // Other subjects and addresses than in the test before: these are new sessions.
      await run(
        path,
        (client) => agents[client]!,
        (client, cookie, turn) => headers(client + 1_000, cookie, turn),
      );
      for (const agent of agents) agent.destroy();
    });
  }

  test('both workers carried traffic', async () => {
    const text = await (await fetch(`${limpet.admin}/api/v1/status`)).json();
    assert.equal(
      (text as { workers: { running: number } }).workers.running ?? (text as { workers: number }).workers,
      2,
    );
  });
});

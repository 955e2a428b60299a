import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answered, ask } from './ask.ts';
import type { BackendProcess } from './backends.ts';
import { type LimpetProcess, startLimpetProcess } from './limpet.ts';

/** Two nodes of two workers each in front of the same backends, with the same secrets. */
export interface Pair {
  readonly nodes: readonly [LimpetProcess, LimpetProcess];
  /** Sends a request to one of the nodes, over connections that are kept. */
  ask(node: number, path: string, headers: Record<string, string>): Promise<Answered>;
  stop(): Promise<void>;
}

/**
 * Pools: `/token` by the subject of a bearer token, `/id` by the header x-session-id, `/short` by limpet's cookie with
 * an idle limit of 4 s, anything else by its cookie.
 * @param store the lines of `sessions` besides `secretFile`, as YAML; '' for none
 */
export async function startPair(backends: readonly BackendProcess[], store: string): Promise<Pair> {
  const directory = await mkdtemp(join(tmpdir(), 'limpet-pair-'));
  const secretFile = join(directory, 'secrets');
  await writeFile(secretFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const list = backends
    .map(({ id, url }, n) => {
      const replica = backends[(n + 1) % backends.length]!.id;
      return `      - { id: ${id}, url: "${url}", replicas: [${replica}] }`;
    })
    .join('\n');
  const pool = (affinity: string): string =>
    `    backends:\n${list}\n    affinity: [${affinity}]\n    balance: random\n`;
  const yaml = [
    'workers: 2',
    'log: { access: false }',
    `sessions: { secretFile: ${secretFile}${store === '' ? '' : `, ${store}`} }`,
    'routes:',
    '  - { match: { path: /token }, pool: token }',
    '  - { match: { path: /id }, pool: id }',
    '  - { match: { path: /short }, pool: short }',
    '  - { pool: cookie }',
    'pools:',
    `  cookie:\n${pool('{ by: cookie }')}`,
    `  token:\n${pool('{ by: token, from: authorization, claim: sub }')}`,
    `  short:\n${pool('{ by: cookie, name: short }')}    session: { idle: 4s }`,
    `  id:\n${pool('{ by: header, name: x-session-id }')}`,
  ].join('\n');
  const agents = [0, 1].map(() => new Agent({ keepAlive: true, maxSockets: 40 }));
  const nodes = await Promise.all([startLimpetProcess(yaml), startLimpetProcess(yaml)]);
  return {
    nodes: nodes as [LimpetProcess, LimpetProcess],
    ask: (node, path, headers) => ask(nodes[node]!.url + path, { headers, agent: agents[node]! }),
    stop: async () => {
      for (const agent of agents) agent.destroy();
      await Promise.all(nodes.map((node) => node.stop()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The Authorization header of a subject: another token each time, as after a refresh. */
export function bearer(sub: string, nth: number): Record<string, string> {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return { authorization: `Bearer ${part({ alg: 'HS256' })}.${part({ sub, jti: nth })}.c2lnbmF0dXJl` };
}

/** Runs `work` for each of `count` numbers, so many at a time. */
export async function each(count: number, atOnce: number, work: (nth: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

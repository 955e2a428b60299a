import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Admin } from '../../support/admin.ts';
import { ask } from '../../support/ask.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { type LimpetProcess, startLimpetProcess } from '../../support/limpet.ts';
import { RedisServer } from '../../support/redis.ts';

const MAIN = fileURLToPath(new URL('./server.ts', import.meta.url));
const IDS = ['a', 'b', 'c'];
/** Cookies may be that much older than a life by the clock of another machine. */
const SKEW_MS = 2_000;
/** Requests at once. */
const AT_ONCE = 20;

/** What is done to three servers that copy their sessions, each to the next, one after another. */
export interface RestartsOptions {
  /** Half of them ask nothing while servers are away. */
  readonly sessions: number;
  /** `kill`: SIGKILL, and started again after that; `stop`: SIGSTOP, and SIGCONT after that. */
  readonly how: 'kill' | 'stop';
  /** How long each is away, ms. */
  readonly outage: number;
  /** The servers say `Limpet-Backend: boot=ID`. */
  readonly boot: boolean;
  /** The other half asks all the while. */
  readonly traffic: boolean;
  readonly nodes: 1 | 2;
  readonly redis: boolean;
  /** The idle ones ask between two restarts; otherwise after the last. */
  readonly between: boolean;
}

/** What came of it. */
export interface RestartsOutcome {
  /** Requests that were answered. */
  requests: number;
  /**
   * Sessions that were answered by a server that does not know them while another one had their state, or told so
   * wrongly; in words.
   */
  readonly wrong: string[];
  /** Answers other than 200, and connections that broke. */
  readonly errors: string[];
  /** Moves that servers were told of, by reason. */
  readonly moves: Record<string, number>;
}

interface Session {
  readonly nth: number;
  cookie: string;
  backend: string;
  count: number;
  /** Servers that have its latest count. */
  holders: Set<string>;
  busy: boolean;
}

class Server {
  readonly id: string;
  readonly port: number;
  readonly copyTo: number;
  readonly boot: boolean;
  away = false;
  #child: ChildProcess | null = null;

  constructor(id: string, port: number, copyTo: number, boot: boolean) {
    this.id = id;
    this.port = port;
    this.copyTo = copyTo;
    this.boot = boot;
  }

  async start(): Promise<void> {
    this.#child = fork(MAIN, [this.id, String(this.port), String(this.copyTo), this.boot ? '1' : '0']);
    await once(this.#child, 'message');
    this.away = false;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    this.away = true;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child!.kill(signal);
  }
}

/** Plays it through two workers a node, and checks each answer: sessions are answered by whoever has their state. */
export async function playRestarts(options: RestartsOptions): Promise<RestartsOutcome> {
  const undo: (() => unknown)[] = [];
  try {
    return await play(options, undo);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function play(options: RestartsOptions, undo: (() => unknown)[]): Promise<RestartsOutcome> {
  const ports = await Promise.all(IDS.map(() => freePort()));
  const servers = IDS.map((id, n) => new Server(id, ports[n]!, ports[(n + 1) % 3]!, options.boot));
  undo.push(() => Promise.all(servers.map((server) => server.kill())));
  await Promise.all(servers.map((server) => server.start()));
  const nodes = await startNodes(servers, options, undo);
  const agents = nodes.map(() => new Agent({ keepAlive: true, maxSockets: AT_ONCE }));
  undo.push(() => {
    for (const agent of agents) agent.destroy();
  });
  const outcome: RestartsOutcome = { requests: 0, wrong: [], errors: [], moves: {} };
  const sessions: Session[] = Array.from({ length: options.sessions }, (_, nth) => {
    return { nth, cookie: '', backend: '', count: 0, holders: new Set(), busy: false };
  });
  const next = (id: string): Server => servers[(IDS.indexOf(id) + 1) % 3]!;
  /** A server that was away for a part of a request may or may not have what came of it. */
  let unsettled = 0;

  async function request(session: Session): Promise<void> {
    const node = (session.nth + session.count) % nodes.length;
    const before = { backend: session.backend, count: session.count, holders: [...session.holders] };
    session.busy = true;
    const since = unsettled;
    const headers: Record<string, string> = session.cookie === '' ? {} : { cookie: session.cookie };
    const answer = await ask(`${nodes[node]!.url}/`, { headers, agent: agents[node]! }).catch((error: Error) => error);
    session.busy = false;
    if (answer instanceof Error || answer.status !== 200) {
      outcome.errors.push(answer instanceof Error ? answer.message : `${answer.status} ${answer.code}`);
      return;
    }
    outcome.requests++;
    const { count, moved } = JSON.parse(answer.body) as { count: number; moved: string | null };
    if (answer.cookie !== '') session.cookie = answer.cookie;
    session.backend = answer.backend;
    session.count = count;
    const copy = next(answer.backend);
    session.holders = new Set(copy.away ? [answer.backend] : [answer.backend, copy.id]);
    if (moved !== null) {
      const reason = /reason=(.*)$/.exec(moved)?.[1] ?? moved;
      outcome.moves[reason] = (outcome.moves[reason] ?? 0) + 1;
    }
    const is = `session ${session.nth}: ${before.backend} ${before.count} (${before.holders.join('+') || 'nobody'} had it), then ${answer.backend} ${count}, told ${moved}`;
    if (before.backend === '' || since !== unsettled) return;
    if (before.holders.length > 0 && count <= before.count) outcome.wrong.push(`lost: ${is}`);
    if (before.holders.length === 0 && answer.backend !== before.backend)
      outcome.wrong.push(`moved for nothing: ${is}`);
    const tells = answer.backend !== before.backend;
    if (tells !== (moved !== null) || (tells && !moved!.startsWith(`from=${before.backend};`)))
      outcome.wrong.push(`told wrongly: ${is}`);
  }

  async function all(of: readonly Session[]): Promise<void> {
    const left = [...of];
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let session = left.pop(); session !== undefined; session = left.pop()) await request(session);
      }),
    );
  }

  await all(sessions);
  const idle = sessions.filter(({ nth }) => nth % 2 === 0);
  const active = sessions.filter(({ nth }) => nth % 2 === 1);
  await setTimeout(nodes.length > 1 ? SKEW_MS + 200 : 50);
  await all(options.traffic ? active : []);
  let stopped = false;
  const traffic = (async () => {
    while (options.traffic && !stopped) {
      await all(active);
      await setTimeout(100);
    }
  })();
  undo.push(() => {
    stopped = true;
    return traffic;
  });
  for (const server of servers) {
    if (options.how === 'kill') {
      unsettled++;
      await server.kill();
      for (const session of sessions) session.holders.delete(server.id);
      unsettled++;
      await setTimeout(options.outage);
      unsettled++;
      await server.start();
      unsettled++;
    } else {
      server.signal('SIGSTOP');
      await setTimeout(options.outage);
      server.signal('SIGCONT');
    }
    for (const node of nodes)
      await eventually(
        `${server.id} to be up`,
        async () => (await new Admin(node.admin).backend('shop', server.id)).health === 'up',
        30_000,
      );
    // The active ones have copies at the one that comes next.
    await setTimeout(options.traffic ? 1_000 : 100);
    if (options.between) await all(idle);
    if (nodes.length > 1 && options.between) await setTimeout(SKEW_MS + 200);
  }
  stopped = true;
  await traffic;
  await all(sessions);
  await all(sessions);
  return outcome;
}

async function startNodes(
  servers: readonly Server[],
  { nodes, redis }: RestartsOptions,
  undo: (() => unknown)[],
): Promise<LimpetProcess[]> {
  const directory = await mkdtemp(join(tmpdir(), 'limpet-restarts-'));
  undo.push(() => rm(directory, { recursive: true, force: true }));
  const secretFile = join(directory, 'secret');
  await writeFile(secretFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  let store = '';
  if (redis) {
    const server = await RedisServer.start();
    undo.push(() => server.stop());
    store = `, store: redis, redis: { url: "${server.url}" }`;
  }
  const backends = servers.map(
    ({ id, port }, n) => `      - { id: ${id}, url: "http://127.0.0.1:${port}", replicas: [${IDS[(n + 1) % 3]}] }`,
  );
  const yaml = [
    'workers: 2',
    'log: { access: false }',
    `sessions: { secretFile: ${secretFile}${store} }`,
    'pools:',
    '  shop:',
    '    backends:',
    ...backends,
    '    balance: round-robin',
    '    health: { active: { interval: 500ms, timeout: 500ms, rise: 1, fall: 2 } }',
    '    timeouts: { response: 3s }',
  ].join('\n');
  const running: LimpetProcess[] = [];
  undo.push(() => Promise.all(running.map((node) => node.stop())));
  for (let n = 0; n < nodes; n++) running.push(await startLimpetProcess(yaml));
  for (const node of running)
    for (const { id } of servers)
      await eventually(
        `${id} to be up`,
        async () => (await new Admin(node.admin).backend('shop', id)).health === 'up',
        30_000,
      );
  return running;
}

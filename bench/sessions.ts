import { Agent, get } from 'node:http';
import * as https from 'node:https';
import { BenchError } from './bench-error.ts';
import type { ProxyKind } from './proxies/proxy-kind.ts';
import type { HeaderLine } from './request-head.ts';
import { BACKEND_HEADER, LOGIN_PATH } from './responder.ts';

/** A session that was begun through a proxy. */
export interface Session {
  /** The header line that names it; null where the proxy sticks by connection. */
  readonly mark: HeaderLine | null;
  /** The backend that holds it. */
  readonly backend: string;
}

/** What a proxy that is checked must be and answer. */
export interface Target {
  readonly port: number;
  readonly proxy: Pick<ProxyKind, 'name' | 'cookies' | 'binding'>;
  readonly backends: number;
  readonly bodyBytes: number;
  readonly tls: boolean;
}

/** Connections to a target that are kept. The certificate is our own. */
function agentFor({ tls }: Target, maxSockets: number): Agent {
  return tls
    ? new https.Agent({ keepAlive: true, maxSockets, rejectUnauthorized: false })
    : new Agent({ keepAlive: true, maxSockets });
}

/** Requests of each session in one check: a proxy that does not stick passes with a chance of 3^-5 for each session. */
const TURNS = 5;
const CONNECTIONS = 8;
/** A proxy that has just started on a busy machine may take its time. */
const ANSWER_MS = 20_000;

/**
 * Begins `count` sessions and proves that each one always reaches the same backend, whichever connection its requests
 * take. Throws a BenchError when one does not, when two sessions got the same cookie, or when not all backends are
 * used.
 * @param marks what names the sessions, where the clients bring it with them; otherwise each is begun by a login
 */
export async function beginSessions(
  target: Target,
  count: number,
  marks: readonly HeaderLine[] | null = null,
): Promise<Session[]> {
  const { proxy } = target;
  if (proxy.binding === 'connection') return beginConnections(target);
  const agent = agentFor(target, CONNECTIONS);
  try {
    const sessions = await begin(target, agent, count, marks);
    await verifySessions(target, sessions);
    const used = new Set(sessions.map(({ backend }) => backend)).size;
    if (used < target.backends) {
      throw new BenchError(`${proxy.name} put ${count} sessions on ${used} of ${target.backends} backends`);
    }
    return sessions;
  } finally {
    agent.destroy();
  }
}

async function begin(
  target: Target,
  agent: Agent,
  count: number,
  marks: readonly HeaderLine[] | null,
): Promise<Session[]> {
  const { proxy } = target;
  const locate = async (mark: HeaderLine): Promise<Session> => ({ mark, backend: await ask(target, agent, mark) });
  if (marks !== null) return settle(marks.slice(0, count).map(locate));
  const logins = await settle(Array.from({ length: count }, () => login(target, agent)));
  if (new Set(logins.map(({ mark }) => mark[1])).size < count)
    throw new BenchError(`${proxy.name} gave two sessions the same cookie ${proxy.cookies.join(', ')}`);
  return proxy.binding === 'first-response' ? logins : settle(logins.map(({ mark }) => locate(mark)));
}

/** Proves that each session still reaches its backend: a BenchError names the first one that does not. */
export async function verifySessions(target: Target, sessions: readonly Session[]): Promise<void> {
  if (target.proxy.binding === 'connection') return;
  const agent = agentFor(target, CONNECTIONS);
  try {
    // All sessions at once over a few connections: sessions meet on connections, and change them from turn to turn.
    for (let turn = 0; turn < TURNS; turn++) {
      await settle(sessions.map((session, index) => verify(target, agent, session, index)));
    }
  } finally {
    agent.destroy();
  }
}

async function verify(target: Target, agent: Agent, session: Session, index: number): Promise<void> {
  const answered = await ask(target, agent, session.mark);
  if (answered === session.backend) return;
  const where = `session ${index} is at backend ${session.backend}, and a later request of it went to ${answered}`;
  throw new BenchError(`${target.proxy.name} does not stick: ${where}`);
}

/** As Promise.all, but an error comes out when nothing is under way any more. */
async function settle<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

async function beginConnections(target: Target): Promise<Session[]> {
  return settle(
    Array.from({ length: target.backends }, async () => {
      const agent = agentFor(target, 1);
      try {
        const backend = await ask(target, agent, null);
        for (let turn = 0; turn < TURNS; turn++) {
          if ((await ask(target, agent, null)) === backend) continue;
          throw new BenchError(`${target.proxy.name} sends one connection to several backends`);
        }
        return { mark: null, backend };
      } finally {
        agent.destroy();
      }
    }),
  );
}

async function login(target: Target, agent: Agent): Promise<{ mark: HeaderLine; backend: string }> {
  const { name, cookies } = target.proxy;
  const answer = await request(target, agent, LOGIN_PATH, null);
  const pairs = cookies.map((cookie) => {
    const line = answer.cookies.find((text) => text.startsWith(`${cookie}=`));
    if (line === undefined) throw new BenchError(`${name} answered a login without the cookie ${cookie}=`);
    return line.split(';', 1)[0]!;
  });
  return { mark: ['Cookie', pairs.join('; ')], backend: answer.backend };
}

async function ask(target: Target, agent: Agent, mark: HeaderLine | null): Promise<string> {
  return (await request(target, agent, '/', mark)).backend;
}

interface Answer {
  readonly backend: string;
  readonly cookies: readonly string[];
}

function request(target: Target, agent: Agent, path: string, mark: HeaderLine | null): Promise<Answer> {
  const { port, proxy, bodyBytes, tls } = target;
  return new Promise((resolve, reject) => {
    const headers = mark === null ? {} : { [mark[0]]: mark[1] };
    const sent = (tls ? https.get : get)(
      { host: '127.0.0.1', port, path, agent, headers, timeout: ANSWER_MS },
      (response) => {
        let received = 0;
        response.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        response.on('error', reject);
        response.on('end', () => {
          const backend = response.headers[BACKEND_HEADER];
          if (response.statusCode !== 200 || typeof backend !== 'string' || received !== bodyBytes) {
            const got = `status ${response.statusCode}, ${received} bytes, backend ${backend ?? 'unknown'}`;
            reject(new BenchError(`${proxy.name} answered ${path} with ${got}; expected 200 and ${bodyBytes} bytes`));
          } else {
            resolve({ backend, cookies: response.headers['set-cookie'] ?? [] });
          }
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    sent.on('error', (cause) => reject(new BenchError(`${proxy.name}: ${path}: ${cause.message}`, { cause })));
  });
}

import { Agent, request } from 'node:http';
import { request as requestSecurely, Agent as SecureAgent } from 'node:https';
import { setTimeout } from 'node:timers/promises';

/** What went wrong for a client. */
export interface Trouble {
  readonly client: number;
  readonly what: string;
}

/**
 * Clients with a cookie and a connection of their own, each of which sends one request after the other, a GET and a
 * POST in turn. Notes each answer that is not a 200 and each session that another backend answers than the one before.
 */
export class CookieCrowd {
  readonly troubles: Trouble[] = [];
  /** Answers so far. */
  answers = 0;
  readonly #url: () => string;
  readonly #pauseMs: number;
  readonly #homes: string[] = [];
  readonly #cookies: string[] = [];
  readonly #agents: Agent[] = [];
  readonly #running: Promise<void>[];
  #stopped = false;

  /**
   * @param url of each request
   * @param pauseMs between an answer and the next request
   */
  constructor(clients: number, url: () => string, pauseMs = 20) {
    this.#url = url;
    this.#pauseMs = pauseMs;
    this.#running = Array.from({ length: clients }, (_, client) => this.#run(client));
  }

  /** Settles when each client has a session. */
  async settled(): Promise<void> {
    while (this.#homes.filter(Boolean).length < this.#running.length) await setTimeout(10);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    for (const agent of this.#agents) agent.destroy();
  }

  async #run(client: number): Promise<void> {
    this.#homes[client] = '';
    this.#cookies[client] = '';
    const kept = { keepAlive: true, maxSockets: 1 };
    const secure = this.#url().startsWith('https:');
    this.#agents[client] = secure ? new SecureAgent({ ...kept, rejectUnauthorized: false }) : new Agent(kept);
    for (let nth = 0; !this.#stopped; nth++) {
      const problem = await this.#ask(client, nth % 2 === 0 ? 'GET' : 'POST');
      this.answers++;
      if (problem !== '') this.troubles.push({ client, what: problem });
      await setTimeout(this.#pauseMs);
    }
  }

  #ask(client: number, method: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const cookie = this.#cookies[client]!;
    const url = this.#url();
    const outgoing = (url.startsWith('https:') ? requestSecurely : request)(
      url,
      { agent: this.#agents[client]!, method, headers: cookie === '' ? {} : { cookie } },
      (response) => {
        const [setCookie] = response.headers['set-cookie'] ?? [];
        if (setCookie !== undefined) this.#cookies[client] = setCookie.split(';')[0]!;
        const home = this.#homes[client]!;
        const backend = String(response.headers['x-backend'] ?? '');
        response.resume();
        response.on('error', (error) => resolve(`${method}: body: ${error.message}`));
        response.on('end', () => {
          if (response.statusCode !== 200) {
            return resolve(`${method}: ${response.statusCode} ${String(response.headers['limpet-error'])}`);
          }
          this.#homes[client] = backend;
          resolve(home === '' || home === backend ? '' : `${method}: moved from ${home} to ${backend}`);
        });
      },
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(`${method}: ${error.code ?? error.message}`));
    outgoing.end(method === 'POST' ? 'x=1' : undefined);
    return promise;
  }
}

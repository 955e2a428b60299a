import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpBackend } from '../support/http-backend.ts';

interface State {
  readonly user: string;
  count: number;
}

/**
 * A stand-in for Tomcat with `jvmRoute` and a BackupManager: ids end in the name of the server, each session is copied
 * to one other server, and the one that takes over gives the session an id that ends in its own name
 * (JvmRouteBinderValve). Unlike Tomcat it refuses an id that it does not know (409), where Tomcat would begin an empty
 * session.
 */
export class ServletContainer {
  readonly backend: HttpBackend;
  /** Holds the copies of this one's sessions. */
  replica: ServletContainer | null = null;
  readonly #sessions = new Map<string, State>();

  constructor(id: string) {
    this.backend = new HttpBackend(id, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => this.#answer(request, response, Buffer.concat(chunks).toString()));
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const { id } = this.backend;
    if (request.url === '/health') return void response.end('{ "status": "UP" }');
    const given = /(?:^|; )JSESSIONID=(\w+)\.(\w+)/.exec(request.headers.cookie ?? '');
    let name = given?.[1] ?? '';
    let state = this.#sessions.get(name);
    const say = (status: number, value: object): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ id, ...value }));
    };
    if (request.url === '/login') {
      // changeSessionId(): what a browser came with is no session id any more.
      this.#drop(name);
      name = randomBytes(16).toString('hex').toUpperCase();
      state = { user: (JSON.parse(body) as { user: string }).user, count: 0 };
      this.#setCookie(response, name);
    } else if (state === undefined) {
      return say(409, { error: `${name} is not known here` });
    } else if (given![2] !== id) {
      this.#setCookie(response, name);
    }
    if (request.url === '/count') state.count++;
    const { user, count } = state;
    if (request.url === '/logout') this.#drop(name);
    else this.#keep(name, state);
    say(200, { user, count });
  }

  #setCookie(response: ServerResponse, name: string): void {
    response.setHeader('Set-Cookie', `JSESSIONID=${name}.${this.backend.id}; Path=/; HttpOnly`);
  }

  #keep(name: string, state: State): void {
    this.#sessions.set(name, state);
    if (this.replica !== null) this.replica.#sessions.set(name, { ...state });
  }

  #drop(name: string): void {
    this.#sessions.delete(name);
    if (this.replica !== null) this.replica.#sessions.delete(name);
  }
}

import type { IncomingMessage } from 'node:http';
import type { BearerToken } from '../keys/bearer-token.ts';
import type { Logger } from '../logging/logger.ts';
import type { Answer } from './answer.ts';
import { isCrossOrigin, isLocalHost } from './browser-guard.ts';
import type { ControlPlane } from './control-plane.ts';
import { readJsonBody } from './json-body.ts';
import { problem } from './problem.ts';
import type { Route } from './route.ts';
import { Router } from './router.ts';
import { adminRoutes } from './routes/admin-routes.ts';

/** Who may use the API. */
interface ApiAccess {
  /** Null: no token is asked for. */
  readonly token: BearerToken | null;
  /** Host must be an address or localhost: where no token protects from pages whose name points here. */
  readonly localHostOnly: boolean;
}

/** The admin API: a request in, its answer out. */
export class Api {
  readonly #router: Router;
  readonly #access: ApiAccess;
  readonly #log: Logger;

  constructor(control: ControlPlane, access: ApiAccess, log: Logger) {
    this.#router = new Router(adminRoutes(control));
    this.#access = access;
    this.#log = log;
  }

  /** Never rejects; null: the client left before its request was whole. */
  async answer(request: IncomingMessage): Promise<Answer | null> {
    const method = request.method ?? '';
    const target = request.url ?? '';
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    try {
      return await this.#answer(request, method, path, mark < 0 ? '' : target.slice(mark + 1));
    } catch (err) {
      if (request.destroyed && !request.complete) return null;
      this.#log.error({ err, method, path }, 'admin request failed');
      return problem(500, 'Something went wrong inside limpet; its log says what.', path);
    }
  }

  async #answer(request: IncomingMessage, method: string, path: string, search: string): Promise<Answer> {
    const match = this.#router.match(method, path);
    const open = (match.kind === 'route' && match.route.open) || (match.kind === 'method' && match.open);
    if (!open) {
      const refused = this.#refusal(request, method, path);
      if (refused !== null) return refused;
    }
    if (match.kind === 'malformed') return problem(400, 'The path is not valid percent-encoding.', path);
    if (match.kind === 'none') return problem(404, 'There is nothing at this path: GET / lists what there is.', path);
    if (match.kind === 'method') {
      if (method === 'OPTIONS') return { status: 204, type: '', body: '', headers: { Allow: match.allow } };
      return problem(405, `${method} is not possible here: ${match.allow} are.`, path, { Allow: match.allow });
    }
    const query = readQuery(search, match.route.query);
    if (typeof query === 'string') return problem(400, query, path);
    const call = { params: match.params, query, body: null, path, lastEventId: lastEventId(request) };
    if (match.route.body === null) return match.route.handle(call);
    const read = await readJsonBody(request, match.route.body, path, match.route.bodyBytes);
    return 'refused' in read ? read.refused : match.route.handle({ ...call, body: read.value });
  }

  #refusal(request: IncomingMessage, method: string, path: string): Answer | null {
    const { token, localHostOnly } = this.#access;
    const { headers } = request;
    if (localHostOnly && !isLocalHost(headers.host)) {
      // RFC 9110 section 15.5.20: not for the authority that the client thinks it talks to.
      return problem(
        421,
        'Without admin.tokenFile this API answers to an IP address or localhost only: use one as host.',
        path,
      );
    }
    if (token !== null && !token.matches(headers.authorization)) {
      const sent = headers.authorization === undefined ? '' : ', error="invalid_token"';
      return problem(401, 'Send Authorization: Bearer with the token of admin.tokenFile.', path, {
        'WWW-Authenticate': `Bearer realm="limpet"${sent}`,
      });
    }
    if (isCrossOrigin(method, headers)) {
      return problem(403, 'Pages of another origin may not change anything here.', path);
    }
    return null;
  }
}

function lastEventId({ headers }: IncomingMessage): string | undefined {
  const value = headers['last-event-id'];
  return Array.isArray(value) ? value[0] : value;
}

/**
 * Reads the parameters of a query as the schema of its route wants them; a text says what is wrong with them. Nothing
 * is accepted and ignored.
 */
function readQuery(search: string, schema: Route['query']): Readonly<Record<string, unknown>> | string {
  const known = Object.keys(schema.shape);
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(search)) {
    if (!known.includes(name)) {
      const allowed = known.length === 0 ? 'this path takes none' : `this path takes ${known.join(', ')}`;
      return `Unknown query parameter ${JSON.stringify(name)}: ${allowed}.`;
    }
    if (Object.hasOwn(query, name)) return `The query parameter ${name} is there twice: give it once.`;
    query[name] = value;
  }
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  return parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}.`).join(' ');
}

import { timingSafeEqual } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { SessionCopy, SessionState } from './shop-sessions.ts';

/** Header with which one shop server proves itself to another. */
const SECRET_HEADER = 'x-shop-secret';
const MAX_ANSWER = 64 * 1024;

/** The private talk between the servers of one shop: paths, proof and wire form. */
export const shopInternal = {
  prefix: '/internal/',
  copyPath: '/internal/copy',
  statusPath: '/internal/status',
  /** Bytes of one batch of copies. */
  maxBatchBytes: 2 * 1024 * 1024,

  /**
   * Whether a request carries the secret, compared in constant time. A visitor's never does: the secret is made at each
   * start.
   */
  isAllowed(request: IncomingMessage, secret: string): boolean {
    const given = request.headers[SECRET_HEADER];
    if (typeof given !== 'string') return false;
    const left = Buffer.from(given);
    const right = Buffer.from(secret);
    return left.length === right.length && timingSafeEqual(left, right);
  },

  /** An agent for the connections to one other server. */
  agent(): Agent {
    return new Agent({ keepAlive: true, maxSockets: 2 });
  },

  /** Asks another server; answers its JSON, or null when it cannot be reached, is too slow or does not answer 200. */
  async ask(agent: Agent, url: string, secret: string, body: string | null, timeoutMs: number): Promise<unknown> {
    const first = await exchange(agent, url, secret, body, timeoutMs);
    // A kept connection that the other side closed just now says nothing about its health; all these requests are
    // idempotent.
    if (first !== 'stale') return first;
    const second = await exchange(agent, url, secret, body, timeoutMs);
    return second === 'stale' ? null : second;
  },

  /** The copies in the body of a request, or null when it does not have that form. */
  readCopies(body: Record<string, unknown>): SessionCopy[] | null {
    return Array.isArray(body.copies) && body.copies.every(isCopy) ? body.copies : null;
  },
};

function exchange(agent: Agent, url: string, secret: string, body: string | null, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const headers: Record<string, string> = { [SECRET_HEADER]: secret };
    if (body !== null) headers['content-type'] = 'application/json';
    const signal = AbortSignal.timeout(timeoutMs);
    const request = httpRequest(url, { agent, headers, method: body === null ? 'GET' : 'POST', signal });
    request.on('error', () => resolve(request.reusedSocket && !signal.aborted ? 'stale' : null));
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER) request.destroy();
      });
      response.on('error', () => resolve(null));
      response.on('end', () => resolve(response.statusCode === 200 ? parse(text) : null));
    });
    request.end(body ?? undefined);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isCopy(value: unknown): value is SessionCopy {
  return (
    isObject(value) &&
    typeof value.id === 'string' &&
    Number.isSafeInteger(value.version) &&
    (value.state === null || isState(value.state))
  );
}

function isState(value: unknown): value is SessionState {
  return (
    isObject(value) &&
    (value.user === null || typeof value.user === 'string') &&
    (value.cartMadeAt === null || typeof value.cartMadeAt === 'string') &&
    typeof value.startedAt === 'number' &&
    typeof value.startedBy === 'string' &&
    (value.startedBecause === 'first-visit' || value.startedBecause === 'state-lost') &&
    isList(value.cart, isLine) &&
    isList(value.moves, (move) => ['from', 'to', 'reason'].every((key) => typeof move[key] === 'string')) &&
    isList(value.orders, (order) => typeof order.number === 'string' && isList(order.items, isLine))
  );
}

function isLine(line: Record<string, unknown>): boolean {
  return typeof line.item === 'string' && Number.isSafeInteger(line.quantity);
}

function isList(value: unknown, isEntry: (entry: Record<string, unknown>) => boolean): boolean {
  return Array.isArray(value) && value.every((entry) => isObject(entry) && isEntry(entry));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import type { IncomingMessage } from 'node:http';
import { sessionName } from './session-name.ts';
import { shopAnswer } from './shop-answer.ts';
import { readJsonBody } from './shop-body.ts';
import { shopCart } from './shop-cart.ts';
import type { ShopReplica } from './shop-replica.ts';
import type { ShopSessions } from './shop-sessions.ts';
import type { ShopVisits, Visit } from './shop-visit.ts';

/** What a handler of the API answers: JSON, and what visitor and load balancer have to be told in header fields. */
export interface ApiAnswer {
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

const MAX_BODY = 16 * 1024;

/**
 * What visitors ask of their session. Each reads its input first, then finds the session and changes it in one go,
 * without an await between, and answers when the replica has the change. Throws a ShopError for bad input, with nothing
 * changed.
 */
export class ShopApi {
  readonly #server: string;
  readonly #sessions: ShopSessions;
  readonly #visits: ShopVisits;
  readonly #replica: ShopReplica | null;
  readonly #now: () => number;

  constructor(
    server: string,
    sessions: ShopSessions,
    visits: ShopVisits,
    replica: ShopReplica | null,
    now: () => number,
  ) {
    this.#server = server;
    this.#sessions = sessions;
    this.#visits = visits;
    this.#replica = replica;
    this.#now = now;
  }

  /** `GET /api/state` */
  state(request: IncomingMessage): Promise<ApiAnswer> {
    return this.#answer(request, this.#visits.enter(request));
  }

  /** `POST /api/cart {item, quantity}` */
  async addToCart(request: IncomingMessage): Promise<ApiAnswer> {
    const body = await readJsonBody(request, MAX_BODY);
    const visit = this.#visits.enter(request);
    shopCart.add(visit.state, body, this.#server);
    this.#change(visit);
    return this.#answer(request, visit);
  }

  /** `DELETE /api/cart/ITEM` */
  removeFromCart(request: IncomingMessage, item: string): Promise<ApiAnswer> {
    const visit = this.#visits.enter(request);
    if (shopCart.remove(visit.state, item)) this.#change(visit);
    return this.#answer(request, visit);
  }

  /**
   * `POST /api/login {name}`: the same session under a new id, so that an id planted before log-in is worth nothing.
   */
  async logIn(request: IncomingMessage): Promise<ApiAnswer> {
    const name = shopCart.readName(await readJsonBody(request, MAX_BODY));
    const { record, state } = this.#visits.enter(request);
    state.user = name;
    const next = this.#sessions.rotate(record, state);
    const { body, headers } = await this.#answer(request, {
      record: next,
      state,
      isNew: true,
      changed: [record, next],
    });
    // The load balancer's own cookie could have been planted as well.
    return { body, headers: { ...headers, 'limpet-session': 'rotate' } };
  }

  /** `POST /api/checkout` */
  async checkOut(request: IncomingMessage): Promise<ApiAnswer> {
    const visit = this.#visits.enter(request);
    shopCart.checkout(visit.state, this.#server, this.#now());
    this.#change(visit);
    return this.#answer(request, visit);
  }

  /** `POST /api/logout` */
  async logOut(request: IncomingMessage): Promise<ApiAnswer> {
    const visit = this.#visits.find(request);
    if (visit !== null) {
      this.#sessions.end(visit.record);
      await this.#replica?.copy([visit.record]);
    }
    const headers = { 'set-cookie': this.#visits.cookie(request, null), 'limpet-session': 'end' };
    return { body: { server: this.#server, loggedOut: true }, headers };
  }

  /** Enters a session for the page itself; answers the header fields that go with it. */
  async enter(request: IncomingMessage): Promise<ApiAnswer['headers']> {
    return (await this.#answer(request, this.#visits.enter(request))).headers;
  }

  /**
   * For requests that need no session: the load balancer tells of a move only once, on whatever request comes first.
   */
  async passBy(request: IncomingMessage): Promise<void> {
    const visit = this.#visits.find(request);
    if (visit !== null && visit.changed.length > 0) await this.#replica?.copy(visit.changed);
  }

  #change(visit: Visit): void {
    this.#sessions.changed(visit.record);
    if (!visit.changed.includes(visit.record)) visit.changed.push(visit.record);
  }

  async #answer(request: IncomingMessage, visit: Visit): Promise<ApiAnswer> {
    const { record, state, isNew, changed } = visit;
    record.served += 1;
    if (changed.length > 0) await this.#replica?.copy(changed);
    const headers: Record<string, string> = {};
    if (isNew) headers['set-cookie'] = this.#visits.cookie(request, record.id);
    // With each answer: the load balancer may have begun to know the session only now. In UTF-8, which node:http does
    // not write.
    if (state.user !== null) headers['limpet-user'] = Buffer.from(state.user).latin1Slice();
    return { body: shopAnswer(this.#server, sessionName(request, record), record, state, this.#replica), headers };
  }
}

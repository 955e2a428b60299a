import { APPLICATION_COOKIE } from '../responder.ts';

const REQUEST_COOKIE = new RegExp(`(?:^|; )${APPLICATION_COOKIE}=([^;]*)`);
const RESPONSE_COOKIE = new RegExp(`^${APPLICATION_COOKIE}=([^;]*)`);

/**
 * Stickiness as users of the libraries write it: a Map from session to target, learned from the application's cookie.
 */
export class LearnedSessions<Target> {
  readonly #targets: readonly Target[];
  readonly #sessions = new Map<string, Target>();
  #next = 0;

  constructor(targets: readonly Target[]) {
    this.#targets = targets;
  }

  /** The target of a request with this Cookie header; without a session that is known, the next in turn. */
  targetOf(cookie: string | undefined): Target {
    const session = REQUEST_COOKIE.exec(cookie ?? '')?.[1];
    const bound = session === undefined ? undefined : this.#sessions.get(session);
    return bound ?? this.#targets[this.#next++ % this.#targets.length]!;
  }

  /** Binds the session that a target's response begins, if it does. */
  learn(setCookie: readonly string[] | string | undefined, target: Target): void {
    if (setCookie === undefined) return;
    for (const line of typeof setCookie === 'string' ? [setCookie] : setCookie) {
      const session = RESPONSE_COOKIE.exec(line)?.[1];
      if (session !== undefined) this.#sessions.set(session, target);
    }
  }
}

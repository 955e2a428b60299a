/** A client may do so much at once of what costs it nothing, and so much a second in the long run. */
interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** What a client does to keep limpet busy. Each is ordinary in small numbers. */
const ALLOWED = {
  /**
   * Requests that are reset before their answer (CVE-2023-44487): a browser that leaves a page resets all of them at
   * once.
   */
  reset: { burst: 200, perSecond: 20 },
  /**
   * PINGs (CVE-2019-9512): gRPC sends one with each read to measure the delay, which counts from anew with every
   * answer.
   */
  ping: { burst: 1_000, perSecond: 10 },
  /** SETTINGS (CVE-2019-9515). */
  settings: { burst: 50, perSecond: 1 },
} as const satisfies Record<string, Allowance>;

/** What is counted: see RFC 9113 10.5. */
export type Flood = keyof typeof ALLOWED;

/** Tells floods from use, for one connection. */
export class FloodGuard {
  readonly #left: Record<Flood, number> = {
    reset: ALLOWED.reset.burst,
    ping: ALLOWED.ping.burst,
    settings: ALLOWED.settings.burst,
  };
  readonly #at: Record<Flood, number> = { reset: 0, ping: 0, settings: 0 };

  /** Counts one. @param now monotonic ms @returns false: it is one too many, the connection is to be closed */
  count(what: Flood, now: number): boolean {
    const { burst, perSecond } = ALLOWED[what];
    const left = Math.min(burst, this.#left[what] + ((now - this.#at[what]) * perSecond) / 1_000) - 1;
    this.#at[what] = now;
    this.#left[what] = left;
    return left >= 0;
  }

  /** The client has been sent part of an answer: PINGs about it are no flood. */
  worked(): void {
    this.#left.ping = ALLOWED.ping.burst;
  }
}

import type { SessionConfig } from '../config/schema.ts';
import { readPath } from '../http1/path-reading.ts';
import { pathMatcher, type RangeMatcher } from './matchers.ts';

/** What becomes of a session when a response has come. */
export const SessionChange = { none: 0, rotate: 1, end: 2 } as const;

interface Trigger {
  readonly path: RangeMatcher;
  /** Empty: any. */
  readonly methods: readonly string[];
  /** Empty: any. */
  readonly status: readonly number[];
  readonly change: number;
}

/**
 * Requests after whose response a session ends (`endOn`) or gets another id (`rotateOn`). Paths are read as those of
 * routes are; one that servers may read in several ways counts in each of them: rather one rotation too many than a
 * log-in without one.
 */
export class SessionTriggers {
  readonly #triggers: readonly Trigger[];

  /**
   * Null: the pool has none.
   * @param at place of the configuration, for messages
   * @throws StartError when a path can never match
   */
  static of(config: SessionConfig, at: string): SessionTriggers | null {
    const triggers = [
      ...config.endOn.map((on, n) => compile(on, SessionChange.end, `${at}.endOn[${n}].path`)),
      ...config.rotateOn.map((on, n) => compile(on, SessionChange.rotate, `${at}.rotateOn[${n}].path`)),
    ];
    return triggers.length === 0 ? null : new SessionTriggers(triggers);
  }

  private constructor(triggers: readonly Trigger[]) {
    this.#triggers = triggers;
  }

  /**
   * What a response does: a value of SessionChange. An end outdoes a rotation.
   * @param path of the request, without its query
   */
  of(method: string, path: string, status: number): number {
    let readings: readonly string[] | null = null;
    for (const trigger of this.#triggers) {
      if (trigger.methods.length > 0 && !trigger.methods.includes(method)) continue;
      if (trigger.status.length > 0 && !trigger.status.includes(status)) continue;
      readings ??= readPath(path) ?? [path];
      for (const reading of readings) if (trigger.path(reading, 0, reading.length)) return trigger.change;
    }
    return SessionChange.none;
  }
}

function compile(on: SessionConfig['endOn'][number], change: number, at: string): Trigger {
  return { path: pathMatcher(on.path, at), methods: on.methods, status: on.status, change };
}

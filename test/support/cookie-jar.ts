import type { Answered } from './ask.ts';

/** Keeps the cookies of one host, as a browser does. */
export class CookieJar {
  readonly #cookies = new Map<string, string>();

  /** For the header `Cookie`; absent when there is none. */
  get headers(): Record<string, string> {
    if (this.#cookies.size === 0) return {};
    return { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
  }

  get(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  /** Takes what an answer sets, and forgets what it deletes. Returns the answer. */
  take(answer: Answered): Answered {
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const expires = /; *expires=([^;]*)/i.exec(line)?.[1];
      const past = expires !== undefined && Date.parse(expires) < Date.now();
      if (past || /; *max-age=(0|-\d+)(;|$)/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return answer;
  }
}

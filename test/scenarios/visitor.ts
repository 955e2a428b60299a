import { type Answered, ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';

const MOST_REDIRECTS = 5;

/**
 * Somebody with a browser of their own: it keeps cookies, sends forms, follows redirects, and says where its requests
 * come from (Fetch Metadata).
 */
export class Visitor {
  readonly #jar = new CookieJar();
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  /** Every answer so far, redirects too. */
  readonly seen: Answered[] = [];

  /** @param headers that all of its requests have, such as what the proxy in front adds */
  constructor(base: string, headers: Readonly<Record<string, string>>) {
    this.#base = base;
    this.#headers = headers;
  }

  /** Value of a cookie that it has. */
  cookie(name: string): string | undefined {
    return this.#jar.get(name);
  }

  /** All of its cookies, for the header. */
  get cookies(): string {
    return this.#jar.headers.cookie ?? '';
  }

  /** Takes cookies from elsewhere into its jar. */
  plant(cookies: string): void {
    const lines = cookies.split('; ');
    this.#jar.take({ status: 200, headers: { 'set-cookie': lines }, body: '', backend: '', code: '', cookie: '' });
  }

  /** Opens a page, and settles with the one that it ends on. */
  open(path: string): Promise<Answered> {
    return this.#go('GET', path, undefined);
  }

  /** Fills in a form and sends it, and settles with the page that it ends on. */
  send(path: string, fields: Readonly<Record<string, string>> = {}): Promise<Answered> {
    return this.#go('POST', path, new URLSearchParams(fields).toString());
  }

  async #go(method: string, path: string, form: string | undefined): Promise<Answered> {
    const own = { ...this.#headers, 'sec-fetch-site': 'same-origin' };
    let answer = await this.#once(path, method, own, form);
    for (let n = 0; answer.status === 303 && n < MOST_REDIRECTS; n++)
      answer = await this.#once(String(answer.headers.location), 'GET', own, undefined);
    return answer;
  }

  async #once(path: string, method: string, headers: Record<string, string>, body: string | undefined) {
    const typed = body === undefined ? headers : { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
    const options = { method, headers: { ...typed, ...this.#jar.headers }, ...(body === undefined ? {} : { body }) };
    const answer = this.#jar.take(await ask(this.#base + path, options));
    this.seen.push(answer);
    return answer;
  }
}

/** What stands between `<tag>` and `</tag>`, of all of them on a page. */
export function texts({ body }: Answered, tag: string): string[] {
  return [...body.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, 'g'))].map(([, text]) => text!);
}

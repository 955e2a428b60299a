/** What the shop answers about a session. */
export interface ShopState {
  server: string;
  pid: number;
  servedHere: number;
  session: { name: string; startedBy: string; startedBecause: string };
  moved: { from: string; to: string; reason: string; text: string } | null;
  copy: { at: string; upToDate: boolean } | null;
  user: string | null;
  cart: { madeAt: string | null; items: { item: string; quantity: number }[]; count: number; total: number };
  orders: { number: string; count: number; total: number; server: string }[];
}

export interface ShopReply<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface Refusal {
  server: string;
  error: { code: string; message: string };
}

/** A browser as far as a shop needs one: it keeps cookies and speaks JSON. */
export class Visitor {
  readonly cookies = new Map<string, string>();

  /** Asks for JSON. `body` is sent as JSON; a string goes out as it is. */
  async ask<T = ShopState>(
    method: string,
    url: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<ShopReply<T>> {
    const response = await fetch(url, {
      method,
      headers: {
        ...(this.cookies.size === 0
          ? {}
          : { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      redirect: 'manual',
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }

  /** A second browser with the same cookies. */
  clone(): Visitor {
    const other = new Visitor();
    for (const [name, value] of this.cookies) other.cookies.set(name, value);
    return other;
  }
}

import assert from 'node:assert/strict';

/** A backend as the admin API shows it. */
export interface BackendState {
  readonly id: string;
  readonly state: string;
  readonly health: string;
  readonly weight: number;
  readonly activeRequests: number;
  readonly sessions: number;
  readonly requests: number;
  readonly failures: number;
  readonly lastError: string | null;
  readonly lastErrorAt: string | null;
  readonly life: number;
  readonly lifeBegan: string | null;
}

/** A session as the admin API shows it. */
export interface SessionState {
  readonly key: string;
  readonly pool: string;
  readonly backend: string | null;
  readonly requests: number;
  readonly moves: number;
}

/** Asks the admin API of a running limpet. */
export class Admin {
  readonly #base: string;

  /** @param base such as `http://127.0.0.1:9900` */
  constructor(base: string) {
    this.#base = base;
  }

  async backend(pool: string, id: string): Promise<BackendState> {
    const { backends } = (await this.#json('GET', `/api/v1/pools/${pool}`)) as { backends: BackendState[] };
    const found = backends.find((backend) => backend.id === id);
    assert.ok(found, `${pool} has a backend ${id}`);
    return found;
  }

  async patch(pool: string, id: string, change: { state?: string; weight?: number }): Promise<void> {
    await this.#json('PATCH', `/api/v1/pools/${pool}/backends/${id}`, change);
  }

  /** Says that the process of a backend was restarted. */
  async restarted(pool: string, id: string): Promise<void> {
    await this.#json('POST', `/api/v1/pools/${pool}/backends/${id}/restarted`);
  }

  async sessions(pool: string): Promise<SessionState[]> {
    const { sessions } = (await this.#json('GET', `/api/v1/sessions?limit=1000&pool=${pool}`)) as {
      sessions: SessionState[];
    };
    return sessions;
  }

  async endSession(key: string): Promise<void> {
    await this.#json('DELETE', `/api/v1/sessions/${key}`);
  }

  async moveSession(key: string, backend: string): Promise<void> {
    await this.#json('POST', `/api/v1/sessions/${key}/move`, { backend });
  }

  /** Open client connections of all listeners. */
  async connections(): Promise<number> {
    const { listeners } = (await this.#json('GET', '/api/v1/status')) as { listeners: { connections: number }[] };
    return listeners.reduce((sum, listener) => sum + listener.connections, 0);
  }

  /** Sum of the samples of a metric whose labels are all among those given. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    const text = await (await fetch(`${this.#base}/metrics`)).text();
    let sum = 0;
    for (const [, of = '', value] of text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))) {
      if (Object.entries(labels).every(([label, wanted]) => of.split(',').includes(`${label}="${wanted}"`)))
        sum += Number(value);
    }
    return sum;
  }

  async #json(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.#base + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }
}

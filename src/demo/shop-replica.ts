import type { Agent } from 'node:http';
import { shopInternal } from './shop-internal.ts';
import type { ShopPeer } from './shop-options.ts';
import type { SessionRecord, ShopSessions } from './shop-sessions.ts';

/** How long a visitor's answer waits for the copy, in ms. */
const WAIT_MS = 200;
/** How long one batch may take before the replica counts as not answering, in ms. */
const BATCH_MS = 2000;
const BATCH_SIZE = 100;

/**
 * Copies changed sessions to the one replica. Changes that come while a batch is under way go together in the next one,
 * so there is one request in flight at most and copies arrive in order.
 */
export class ShopReplica {
  readonly id: string;
  readonly #url: string;
  readonly #secret: string;
  readonly #sessions: ShopSessions;
  readonly #waitMs: number;
  readonly #agent: Agent = shopInternal.agent();
  /** Id of a changed session -> who waits for its copy. */
  #changed = new Map<string, ((copied: boolean) => void)[]>();
  /** Ids that go again because the replica lost them or missed them. */
  #backlog: string[] = [];
  /** Record -> version that the running replica has said it holds. */
  #held = new WeakMap<SessionRecord, number>();
  /** Which start of the replica has been given everything. */
  #boot: string | null = null;
  #behind = false;
  /** It did not answer in time: nobody waits for it again until it does. */
  #slow = false;
  #busy = false;
  #closed = false;

  /** @param waitMs how long a visitor's answer waits for the copy */
  constructor(peer: ShopPeer, secret: string, sessions: ShopSessions, waitMs = WAIT_MS) {
    this.id = peer.id;
    this.#url = peer.url + shopInternal.copyPath;
    this.#secret = secret;
    this.#sessions = sessions;
    this.#waitMs = waitMs;
  }

  /**
   * Copies sessions that have just changed; resolves when the replica has them, or after a short time without it. Never
   * rejects.
   */
  async copy(records: readonly SessionRecord[]): Promise<void> {
    const copied = Promise.all(records.map((record) => this.#enqueue(record.id)));
    void this.#pump();
    if (this.#slow) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, this.#waitMs, 'late');
    });
    if ((await Promise.race([copied, late])) === 'late') this.#slow = true;
    clearTimeout(timer);
  }

  /** Whether the replica, as it runs now, has this session as it is. */
  holds(record: SessionRecord): boolean {
    return this.#held.get(record) === record.version;
  }

  /**
   * The replica was seen alive; `boot` names its start. What it has lost or missed is sent again: it asks for nothing
   * by itself.
   */
  seen(boot: string): void {
    if (boot === this.#boot && !this.#behind) return;
    if (boot !== this.#boot) this.#held = new WeakMap();
    this.#boot = boot;
    this.#behind = false;
    this.#backlog = this.#sessions.owned();
    void this.#pump();
  }

  /** The replica was seen dead: what it held is gone. */
  gone(): void {
    this.#held = new WeakMap();
    this.#behind = true;
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #enqueue(id: string): Promise<boolean> {
    return new Promise((resolve) => {
      const waiters = this.#changed.get(id);
      if (waiters === undefined) this.#changed.set(id, [resolve]);
      else waiters.push(resolve);
    });
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (!this.#closed) {
      const changed = [...this.#changed.keys()].slice(0, BATCH_SIZE);
      const ids = changed.length > 0 ? changed : this.#backlog.splice(0, BATCH_SIZE);
      if (ids.length === 0) break;
      const waiters = changed.flatMap((id) => this.#changed.get(id) ?? []);
      for (const id of changed) this.#changed.delete(id);
      const copied = await this.#send(ids);
      for (const done of waiters) done(copied);
      if (!copied) this.#giveUp();
    }
    this.#busy = false;
  }

  async #send(ids: readonly string[]): Promise<boolean> {
    // Read only now: a session that changed while it waited goes out as it is.
    const records = ids.map((id) => this.#sessions.find(id)).filter((record) => record !== undefined);
    const versions = records.map((record) => record.version);
    const copies = records.map(({ id, version, state }) => ({ id, version, state }));
    const body = JSON.stringify({ copies });
    const answer = await shopInternal.ask(this.#agent, this.#url, this.#secret, body, BATCH_MS);
    if (typeof answer !== 'object' || answer === null || !('boot' in answer) || typeof answer.boot !== 'string')
      return false;
    this.#slow = false;
    this.seen(answer.boot);
    records.forEach((record, index) => {
      this.#held.set(record, versions[index] ?? 0);
    });
    return true;
  }

  /** The replica does not answer: the visitors go on at once, and all is sent again when it is seen. */
  #giveUp(): void {
    this.gone();
    this.#backlog = [];
    for (const waiters of this.#changed.values()) for (const done of waiters) done(false);
    this.#changed.clear();
  }
}

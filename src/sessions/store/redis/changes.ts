import type { Pool } from '../../../backends/pool.ts';
import { Key } from '../../../keys/key.ts';
import { parse } from '../../../keys/public-id.ts';
import { threadWheel } from '../../../timing/thread-wheel.ts';
import type { SessionTable } from '../../table/table.ts';
import { applyStoredSession } from './apply-stored-session.ts';
import { type RedisConfig, RedisConnection } from './connection.ts';
import { parseChange } from './stored-session.ts';

/** What a Changes is made from. */
interface ChangesParts {
  readonly config: RedisConfig;
  readonly table: SessionTable;
  readonly node: string;
  /** The pools as they run now. */
  readonly pools: () => readonly Pool[];
  readonly now: () => number;
  /** A message that may be about backends. False: it is not. */
  readonly onBackend: (text: string) => boolean;
  /** It hears what other nodes say from here on; what they said before it has missed. */
  readonly onListening: () => void;
}

/** Hears what other nodes change of sessions, and brings the table of this node up to date. */
export class Changes {
  readonly #parts: ChangesParts;
  readonly #changes: string;
  readonly #key = new Key();
  #connection: RedisConnection | null = null;
  #serial = 0;
  #heardAt = 0;
  /** Channel that only this node listens to: what it says there tells it that it hears. */
  readonly echo: string;

  constructor(parts: ChangesParts) {
    this.#parts = parts;
    this.#changes = `${parts.config.prefix}changes`;
    this.echo = `${parts.config.prefix}echo:${parts.node}`;
  }

  /** Listens on a new connection. Never rejects: a connection that cannot be made is tried again and again. */
  async open(): Promise<void> {
    this.close();
    const serial = this.#serial;
    this.#heardAt = threadWheel.now;
    const opened = RedisConnection.open(this.#parts.config, {
      onReady: () => {
        if (serial === this.#serial) void opened.then((connection) => this.#subscribe(connection, serial));
      },
      onMessage: (channel, text) => {
        if (serial === this.#serial) this.#onMessage(channel, text);
      },
    });
    const connection = await opened;
    if (serial === this.#serial) this.#connection = connection;
    else connection.close();
  }

  close(): void {
    this.#serial++;
    this.#connection?.close();
    this.#connection = null;
  }

  /** How long it has heard nothing, not even itself, ms. */
  get silence(): number {
    return threadWheel.now - this.#heardAt;
  }

  async #subscribe(connection: RedisConnection, serial: number): Promise<void> {
    try {
      await connection.subscribe(this.#changes, this.echo);
      this.#heardAt = threadWheel.now;
      if (serial === this.#serial) this.#parts.onListening();
    } catch {
      // The connection is gone again: the next one subscribes.
    }
  }

  #onMessage(channel: string, text: string): void {
    this.#heardAt = threadWheel.now;
    if (channel !== this.#changes || this.#parts.onBackend(text)) return;
    const change = parseChange(text);
    if (change === null || change.node === this.#parts.node || !parse(change.id, this.#key)) return;
    const pool = this.#parts.pools().find(({ name }) => name === change.stored.pool);
    if (pool !== undefined) applyStoredSession(this.#parts.table, this.#key, pool, change.stored, this.#parts.now());
  }
}

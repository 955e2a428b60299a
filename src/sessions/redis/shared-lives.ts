import { isLife, type KnownLife, type KnownLives } from '../known-lives.ts';
import type { RedisConnection } from './connection.ts';

/** What a SharedLives is made from. */
export interface SharedLivesParts {
  readonly prefix: string;
  /** Name of this node. */
  readonly node: string;
  /** Of the backends of this node. */
  readonly lives: KnownLives;
}

/**
 * The lives of backends (behaviour 114) as all nodes know them: the hash `{prefix}lives` has a field for each backend that was ever restarted, `pool/id`, with the number
 * of its life and when that began, ms since epoch: `3,1750000000000`. More may follow behind a comma in later versions. A number only rises, in one step that nothing
 * comes between: of two nodes that see the same life end one ends it, and the other hears of that. Limpet 0.1 knows of none of it.
 */
export class SharedLives {
  readonly #parts: SharedLivesParts;
  readonly #key: string;
  readonly #channel: string;
  #changes: () => readonly KnownLife[];

  constructor(parts: SharedLivesParts) {
    this.#parts = parts;
    this.#key = `${parts.prefix}lives`;
    this.#channel = `${parts.prefix}changes`;
    this.#changes = parts.lives.reader();
  }

  /**
   * Learns what Redis knows. Rejects when it cannot be had.
   * @param before it is no news, see KnownLives
   */
  async take(connection: RedisConnection, before: boolean): Promise<KnownLife[]> {
    const all = await connection.all(this.#key);
    const known = Object.entries(all)
      .map(([name, text]) => parseLife(name, text))
      .filter((life) => life !== null);
    this.#parts.lives.learn(known, before);
    return known;
  }

  /** Learns all that Redis knows, and tells it what this node knows better: after it was away, and now and then. Rejects as `tell` does. */
  async reconcile(connection: RedisConnection): Promise<void> {
    const known = new Map((await this.take(connection, false)).map(({ name, life }) => [name, life]));
    this.#changes = this.#parts.lives.reader();
    await this.#tellAll(
      connection,
      this.#changes().filter(({ name, life }) => life > (known.get(name) ?? 1)),
    );
  }

  /** Tells Redis, and through it the other nodes, of lives that have ended here since the last time. Rejects when it cannot: reconcile then. */
  async tell(connection: RedisConnection): Promise<void> {
    await this.#tellAll(connection, this.#changes());
  }

  /** A message of the channel of changes. False: it is about something else. */
  hear(text: string): boolean {
    const [node, op, name, life] = text.split('\n');
    if (op !== 'life') return false;
    const known = parseLife(name ?? '', life ?? '');
    if (node !== this.#parts.node && known !== null) this.#parts.lives.learn([known]);
    return true;
  }

  async #tellAll(connection: RedisConnection, lives: readonly KnownLife[]): Promise<void> {
    await Promise.all(
      lives.map(async ({ name, life, began }) => {
        const { scripts } = connection;
        const stands = await scripts.limpetLife(this.#key, this.#channel, this.#parts.node, name, life, began);
        const known = parseLife(name, String(stands));
        if (known !== null) this.#parts.lives.learn([known]);
      }),
    );
  }
}

/** Null: it is none. */
function parseLife(name: string, text: string): KnownLife | null {
  const [life, began] = text.split(',').map(Number);
  return isLife(life) && began !== undefined && began >= 0 ? { name, life, began } : null;
}

import { isKnownBoots, type KnownBoots } from '../../../backends/known-boots.ts';
import { isLife, type KnownLife, type KnownLives } from '../../../backends/known-lives.ts';
import type { RedisConnection } from './connection.ts';

/** What no node has told for so long is forgotten, and so often a node tells again what has not changed, ms. */
const KEEP_MS = 30 * 24 * 3_600_000;
const AGAIN_MS = 24 * 3_600_000;

/** What a SharedLives is made from. */
interface SharedLivesParts {
  readonly prefix: string;
  /** Name of this node. */
  readonly node: string;
  /** Of the backends of this node. */
  readonly lives: KnownLives;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
}

/** A field of the hash. */
interface Told {
  readonly known: KnownLife;
  /** When a node told it last, ms since epoch. */
  readonly at: number;
}

/**
 * The lives of backends (behaviour 114) as all nodes know them: the hash `{prefix}lives` has a field for each backend
 * that was ever restarted or has given its process an id, `pool/id`: number of the life, when it began (ms since
 * epoch), ids (see `formatBoots`), when that was told, separated by commas. A number only rises, in one step that
 * nothing comes between: of two nodes that see the same life end one ends it, and the other hears of that. Limpet 0.1
 * knows of none of it.
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
  async take(connection: RedisConnection, before: boolean): Promise<Map<string, Told>> {
    const now = this.#parts.now();
    const told = new Map<string, Told>();
    const gone: string[] = [];
    for (const [name, text] of Object.entries(await connection.all(this.#key))) {
      const one = parseLife(name, text);
      if (one === null || now - one.at > KEEP_MS) gone.push(name);
      else told.set(name, one);
    }
    if (gone.length > 0) await connection.dropFields(this.#key, gone);
    this.#parts.lives.learn(
      Array.from(told.values(), ({ known }) => known),
      before,
    );
    return told;
  }

  /**
   * Learns all that Redis knows, and tells it what this node knows better: after it was away, and now and then. Rejects
   * as `tell` does.
   */
  async reconcile(connection: RedisConnection): Promise<void> {
    const told = await this.take(connection, false);
    this.#changes = this.#parts.lives.reader();
    const now = this.#parts.now();
    const news = this.#changes().filter((known) => {
      const there = told.get(known.name);
      if (there === undefined || known.life > there.known.life || now - there.at > AGAIN_MS) return true;
      return known.life === there.known.life && formatBoots(known.boots) !== formatBoots(there.known.boots);
    });
    await this.#tellAll(connection, news);
  }

  /**
   * Tells Redis, and through it the other nodes, what has happened to lives here since the last time. Rejects when it
   * cannot: reconcile then.
   */
  async tell(connection: RedisConnection): Promise<void> {
    await this.#tellAll(connection, this.#changes());
  }

  /** A message of the channel of changes. False: it is about something else. */
  hear(text: string): boolean {
    const [node, op, name, life] = text.split('\n');
    if (op !== 'life') return false;
    const told = parseLife(name ?? '', life ?? '');
    if (node !== this.#parts.node && told !== null) this.#parts.lives.learn([told.known]);
    return true;
  }

  async #tellAll({ scripts }: RedisConnection, lives: readonly KnownLife[]): Promise<void> {
    const { node, now } = this.#parts;
    await Promise.all(
      lives.map(async ({ name, life, began, boots }) => {
        const ids = formatBoots(boots);
        const stands = await scripts.limpetLife(this.#key, this.#channel, node, name, life, began, ids, now());
        const told = parseLife(name, String(stands));
        if (told !== null) this.#parts.lives.learn([told.known]);
      }),
    );
  }
}

/**
 * `!` where they say nothing, the current one, and those that were left in an order that all nodes have, separated by
 * semicolons; '': none is known.
 */
function formatBoots(boots: KnownBoots | undefined): string {
  if (boots === undefined) return '';
  const [current, ...left] = boots.ids;
  return (boots.off ? '!' : '') + [current, ...left.sort()].join(';');
}

/** Null: it is none. */
function parseLife(name: string, text: string): Told | null {
  const [life, began, ids = '', at] = text.split(',');
  const known = { name, life: Number(life), began: Number(began) };
  const boots = { off: ids.startsWith('!'), ids: ids.replace('!', '').split(';') };
  if (!isLife(known.life) || !(known.began >= 0) || !(Number(at) > 0)) return null;
  if (ids === '') return { known, at: Number(at) };
  return isKnownBoots(boots) ? { known: { ...known, boots }, at: Number(at) } : null;
}

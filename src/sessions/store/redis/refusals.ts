import { setTimeout } from 'node:timers/promises';
import type { RedisConnection } from './connection.ts';
import { within } from './within.ts';

/**
 * How long the other nodes have for an objection, ms; and how long they look before they object: the ends of
 * connections may be on their way.
 */
const OBJECTION_MS = 500;
const LOOK_MS = 200;
const LOOKS = 10;
/** Looks in a row without a connection that tell of an end. */
const MOMENT = 3;
/** How long an objection holds, ms: refusals within it need not be asked about again. */
const HOLDS_MS = 2_000;
/** The longest that Redis may take to be asked, ms. */
const PATIENCE_MS = 500;
/** What the key of a backend holds when a node has objected. */
const STANDS = 'stands';

/** What a Refusals is made from. */
interface RefusalsParts {
  readonly prefix: string;
  /** Name of this node. */
  readonly node: string;
  /** Null: there is none that could be used. */
  readonly connection: () => RedisConnection | null;
  /** How many connections of this node to a backend, `pool/id`, are open. */
  readonly standing: (name: string) => number;
  readonly log: { info(fields: object, message: string): void };
}

/**
 * Nodes agree on what a refused connection means (behaviour 114): a backend that refuses one node has ended, unless
 * another node has a connection to it that stands; then something between the two refuses. The node that was refused
 * says so on the channel of changes (`node, refused, pool/id, life`), and whoever objects puts `stands` into
 * `{prefix}refused:{pool/id}`, for a moment. When nobody has within half a second, or nobody can be asked, it has
 * ended.
 */
export class Refusals {
  readonly #parts: RefusalsParts;
  /** Backends that this node has been refused by, and asks about. */
  readonly #asking = new Map<string, Promise<boolean>>();
  /** Backends that this node is looking at for another one. */
  readonly #looking = new Set<string>();

  constructor(parts: RefusalsParts) {
    this.#parts = parts;
  }

  /**
   * Whether this life of a backend has ended, as far as other nodes know. Asked again about one that is asked about
   * already it has the same answer. Never rejects.
   */
  hasEnded(name: string, life: number): Promise<boolean> {
    const known = this.#asking.get(name);
    if (known !== undefined) return known;
    const asking = this.#ask(name, life).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asking);
    return asking;
  }

  async #ask(name: string, life: number): Promise<boolean> {
    const { prefix, node, connection: usable } = this.#parts;
    const connection = usable();
    if (connection === null) return true;
    const key = this.#key(name);
    try {
      if ((await within(PATIENCE_MS, () => connection.value(key))) === STANDS) return false;
      const said = [node, 'refused', name, life].join('\n');
      const hearers = await within(PATIENCE_MS, () => connection.publish(`${prefix}changes`, said));
      // Only this node itself. Of a Cluster no server knows how many listen.
      if (hearers <= 1 && !connection.cluster) return true;
      const asked = performance.now();
      await setTimeout(OBJECTION_MS, undefined, { ref: false });
      // This process stood still: an objection may have come and gone.
      if (performance.now() - asked > HOLDS_MS / 2) return await this.#ask(name, life);
      return (await within(PATIENCE_MS, () => connection.value(key))) !== STANDS;
    } catch {
      return true;
    }
  }

  /** A message of the channel of changes. False: it is about something else. */
  hear(text: string): boolean {
    const [node, op, name] = text.split('\n');
    if (op !== 'refused') return false;
    if (node !== this.#parts.node && name !== undefined && !this.#looking.has(name)) void this.#look(name);
    return true;
  }

  /**
   * Objects when connections stand all the while. For a moment there may be none, as when a probe's takes the place of
   * the one before; a backend that has ended has none for longer, and those that are opened after that prove nothing.
   */
  async #look(name: string): Promise<void> {
    const { connection, standing, log } = this.#parts;
    this.#looking.add(name);
    try {
      for (let look = 0, without = 0; look <= LOOKS; look++) {
        without = standing(name) === 0 ? without + 1 : 0;
        if (without === MOMENT) return;
        await setTimeout(LOOK_MS / LOOKS, undefined, { ref: false });
      }
      await connection()?.keep(this.#key(name), STANDS, HOLDS_MS);
      log.info(
        { backend: name },
        'a backend refuses another node and has connections to this one: it has not been restarted',
      );
    } catch {
      // Then the other node decides alone.
    } finally {
      this.#looking.delete(name);
    }
  }

  #key(name: string): string {
    return `${this.#parts.prefix}refused:${name}`;
  }
}

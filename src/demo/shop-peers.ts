import type { Agent } from 'node:http';
import { shopInternal } from './shop-internal.ts';
import type { ShopPeer } from './shop-options.ts';

/** What one server knows of another. */
interface PeerStatus {
  readonly id: string;
  /** null: not asked yet. */
  readonly up: boolean | null;
  readonly pid: number | null;
  /** Sessions that it answers for. */
  readonly sessions: number;
  /** Copies that it holds for another. */
  readonly copies: number;
}

/** What a server says of itself on the internal status path. */
export interface ServerStatus {
  readonly id: string;
  readonly pid: number;
  /** Names this start of the server. */
  readonly boot: string;
  readonly sessions: number;
  readonly copies: number;
}

/** A killed server is noticed at once (connection refused); this is for one that hangs. */
const TIMEOUT_MS = 1000;

/** Asks the other servers again and again how they are. Each is asked once at a time. */
export class ShopPeers {
  readonly #peers: readonly ShopPeer[];
  readonly #secret: string;
  readonly #agent: Agent = shopInternal.agent();
  readonly #onAnswer: (id: string, status: ServerStatus | null) => void;
  readonly #status = new Map<string, PeerStatus>();
  readonly #timers: NodeJS.Timeout[] = [];

  /** `onAnswer` gets each result: the status, or null when a server does not answer. */
  constructor(peers: readonly ShopPeer[], secret: string, onAnswer: (id: string, status: ServerStatus | null) => void) {
    this.#secret = secret;
    this.#onAnswer = onAnswer;
    this.#peers = peers;
    for (const { id } of peers) this.#status.set(id, { id, up: null, pid: null, sessions: 0, copies: 0 });
  }

  start(): void {
    // With many servers each asks less often, so that all of them together stay quiet.
    const every = Math.max(500, this.#peers.length * 100);
    for (const peer of this.#peers) {
      let asking = false;
      const ask = async (): Promise<void> => {
        if (asking) return;
        asking = true;
        await this.#ask(peer);
        asking = false;
      };
      void ask();
      this.#timers.push(setInterval(ask, every).unref());
    }
  }

  /** The last word on every other server, in the order of the command line. */
  list(): PeerStatus[] {
    return [...this.#status.values()];
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#agent.destroy();
  }

  async #ask(peer: ShopPeer): Promise<void> {
    const url = peer.url + shopInternal.statusPath;
    const answer = await shopInternal.ask(this.#agent, url, this.#secret, null, TIMEOUT_MS);
    const status = isStatus(answer, peer.id) ? answer : null;
    this.#status.set(
      peer.id,
      status === null
        ? { id: peer.id, up: false, pid: null, sessions: 0, copies: 0 }
        : { id: peer.id, up: true, pid: status.pid, sessions: status.sessions, copies: status.copies },
    );
    this.#onAnswer(peer.id, status);
  }
}

function isStatus(value: unknown, id: string): value is ServerStatus {
  if (typeof value !== 'object' || value === null) return false;
  const status = value as Record<string, unknown>;
  const numbers = [status.pid, status.sessions, status.copies];
  return status.id === id && typeof status.boot === 'string' && numbers.every((number) => typeof number === 'number');
}

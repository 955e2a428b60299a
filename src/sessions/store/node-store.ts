import type { KnownLives } from '../../backends/known-lives.ts';
import type { Pool } from '../../backends/pool.ts';
import type { Secrets } from '../../keys/secrets.ts';
import type { Logger } from '../../logging/logger.ts';
import type { SessionTable } from '../table/table.ts';
import type { SessionTableMemory } from '../table/table-memory.ts';
import type { SharedNames } from '../users/user-names.ts';
import type { SharedSession } from './shared-session.ts';
import type { SharedStore } from './shared-store.ts';
import type { StoreState } from './store-state.ts';

/** What the supervisor's half of a store is made from. */
export interface NodeStoreParts {
  readonly table: SessionTable;
  /** Of that table, allocated with change tracking. */
  readonly memory: SessionTableMemory;
  readonly workers: number;
  /** The pools as they run now. */
  readonly pools: () => readonly Pool[];
  readonly log: Logger;
  /** How many connections of this node to a backend, `pool/id`, are open. */
  readonly standing: (name: string) => number;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
}

/** The secrets of a node that shares its sessions. */
export interface SharedSecrets {
  /** 32 bytes or more each; the first signs, all verify. */
  readonly secrets: readonly Uint8Array[];
  /** What keys are hashed with: the same on every node, so that a client's key is one session everywhere. */
  readonly keySecret: Uint8Array;
  /** What the operator should know of them. */
  readonly warning: string | null;
}

/**
 * The supervisor's half of a store that nodes share; the workers' half is a SessionStore. Called in this order:
 * `connect` once, `learnLives` once, `run` once, then the rest in any order, and `stop` at any time.
 */
export interface NodeStore {
  /** What the workers need to know. */
  readonly shared: SharedStore;
  /** Names of users. */
  readonly names: SharedNames;
  readonly view: StoreState;
  /** Sessions are refused at the moment, because the store is down. */
  readonly refuses: boolean;

  /**
   * Connects and agrees with the other nodes on the secret. Before there are pools.
   * @param own secrets of this node
   * @param fromFile they are those of `sessions.secretFile`
   * @throws StartError when sessions could not be shared with these secrets
   */
  connect(own: Secrets, fromFile: boolean): Promise<SharedSecrets>;

  /**
   * Learns in which lives the backends are, as the other nodes have it: before there are sessions of them. Never
   * rejects: what cannot be learnt now is later.
   */
  learnLives(lives: KnownLives): Promise<void>;

  /** Goes to work, in the background from here on. Before the workers start. */
  run(): void;

  /** Finds a session that the store knows, by its public id; null: there is none, or nobody answers. Never rejects. */
  lookup(id: string): Promise<SharedSession | null>;

  /** Whether this life of a backend, `pool/id`, has ended, as far as other nodes know. Never rejects. */
  hasEnded(name: string, life: number): Promise<boolean>;

  /** Writes what has changed now, and not only with the next round: an operator has ended or moved a session. */
  flush(): void;

  /** Writes the last changes, as long as that takes no more than a moment, or `ms`, and lets go. */
  stop(ms?: number): Promise<void>;
}

import type { SlotAssignment } from '../backends/slots.ts';
import type { Config } from '../config/schema.ts';
import type { TlsMaterial } from '../config/tls-material.ts';

/**
 * What limpet runs by, as plain data: made by the supervisor (ModelKeeper), sent to every worker whole, never changed.
 * A reload, an answer of the DNS and a backend that has drained each make another one.
 */
export interface RunningModel {
  /** 1 at the start, one more with each model. */
  readonly serial: number;
  /** 1 at the start, one more each time the configuration file was read again. */
  readonly generation: number;
  /**
   * The configuration; the backends of each pool are all its members: those of the file, those found by discovery, and
   * the departing ones.
   */
  readonly config: Config;
  /** Slots by `pool/id`. */
  readonly slots: ReadonlyMap<string, SlotAssignment>;
  /** `pool/id` of the backends that are no longer named by file or discovery, and serve the sessions they have. */
  readonly departing: ReadonlySet<string>;
  /** `pool/id` of the backends that discovery has found. */
  readonly discovered: ReadonlySet<string>;
  /** Index of each pool by name. */
  readonly pools: ReadonlyMap<string, number>;
  /** Index of each listener by its key, see `listenerKeys`. */
  readonly listeners: ReadonlyMap<string, number>;
  /** Certificates by the key of their listener. */
  readonly tls: ReadonlyMap<string, TlsMaterial>;
  /** The first signs, all verify. */
  readonly secrets: readonly Uint8Array[];
  /** What the keys of the table are hashed with: the same for as long as limpet runs (behaviour 25). */
  readonly keySecret: Uint8Array;
}

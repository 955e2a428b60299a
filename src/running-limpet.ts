import type { ReloadOutcome } from './admin/reloads.ts';
import type { Config } from './config/schema.ts';

/** A limpet that was started. */
export interface RunningLimpet {
  /** Where it listens, such as `http://127.0.0.1:8080`, in the order of the configuration at the start. */
  readonly addresses: readonly string[];
  /** Where the admin API listens; null when there is none. */
  readonly adminAddress: string | null;
  /** Settles when another limpet takes traffic in place of this one and wants it to stop. */
  readonly takenOver: Promise<void>;
  /** Reads the configuration file again. The outcome is logged too. */
  reload(): Promise<ReloadOutcome>;
  /** Goes on in new files where old ones have been renamed: the audit log. */
  reopenLogs(): void;
  /** Finishes what is under way, for `graceMs` at most (absent: `shutdown.grace` of the configuration as it is now). */
  stop(graceMs?: number): Promise<void>;
  /** Ends at once. */
  stopNow(): void;
}

/** What a limpet is started with. */
export interface StartOptions {
  readonly config: Config;
  /** Read again at a reload; null when the configuration came from elsewhere. */
  readonly configFile: string | null;
  /** What goes before the file, such as options of the command line: applied to it at each reload. */
  readonly overrides?: (config: Config) => Config;
  /**
   * Replace the limpet that runs with the same snapshot: it is asked to stop gracefully once this one takes traffic.
   */
  readonly takeOver?: boolean;
}

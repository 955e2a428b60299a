import { StartError } from '../../errors-start.ts';
import { keyFingerprint } from '../../keys/secrets.ts';
import type { Logger } from '../../logging/logger.ts';
import { ChangeReader } from '../table/row-changes.ts';
import type { SessionTable } from '../table/table.ts';
import { HandoverClient } from './handover-client.ts';
import { HandoverServer } from './handover-server.ts';
import type { BackendStatus, TableDescription } from './snapshot-description.ts';
import { SnapshotFile } from './snapshot-file.ts';
import type { SessionNames } from './snapshot-names.ts';
import type { OpenSnapshot } from './snapshot-open.ts';

/** How often the file is written when something has changed, ms. */
const EVERY = 30_000;

/** What a SnapshotKeeper starts from. */
interface SnapshotKeeperOptions {
  /** As in `sessions.snapshot`. */
  readonly path: string;
  /** That keys may be hashed with; the first one when there are no sessions yet. */
  readonly secrets: readonly Uint8Array[];
  readonly log: Logger;
  /** Wall clock, ms since epoch. */
  readonly now?: () => number;
  /** How often to write, ms. */
  readonly every?: number;
}

/** What a SnapshotKeeper keeps. */
interface KeptTable {
  /** Allocated with change tracking. */
  readonly table: SessionTable;
  readonly names: SessionNames;
  /** The backends as they stand; the fingerprint is the keeper's matter. */
  readonly backends: () => readonly BackendStatus[];
}

/**
 * Keeps the sessions beyond this process: takes them from the limpet that runs, or else from the snapshot file; writes
 * the file from time to time and at the end; and hands them over to the limpet that comes next. In the supervisor, in
 * this order: `open`, `load` before there is traffic, `start` when limpet listens, `stop` when the workers have ended.
 */
export class SnapshotKeeper {
  /** What the keys of the table are to be hashed with. */
  readonly keySecret: Uint8Array;
  /**
   * How the backends stood when the sessions were last written or are now in the process that runs: empty when there
   * are none.
   */
  readonly backends: readonly BackendStatus[];
  readonly #options: SnapshotKeeperOptions;
  readonly #file: SnapshotFile;
  readonly #now: () => number;
  readonly #log: Logger;
  readonly #fingerprint: string;
  #client: HandoverClient | null;
  #snapshot: OpenSnapshot | null;
  #server: HandoverServer | null = null;
  #kept: KeptTable | null = null;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<boolean> | null = null;
  #returning: Promise<void> | null = null;
  /** The last write failed. */
  #failed = false;
  /** The backends as they were last written. */
  #written = '';
  #stopped = false;

  private constructor(
    options: SnapshotKeeperOptions,
    client: HandoverClient | null,
    file: SnapshotFile,
    snapshot: OpenSnapshot | null,
  ) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#log = options.log;
    this.#file = file;
    const description = client?.description ?? snapshot?.description;
    const known = options.secrets.find((secret) => keyFingerprint(secret) === description?.keyFingerprint);
    this.keySecret = known ?? options.secrets[0]!;
    this.#fingerprint = keyFingerprint(this.keySecret);
    this.backends = known === undefined ? [] : (description?.backends ?? []);
    this.#client = client;
    this.#snapshot = snapshot;
  }

  /**
   * Looks for a limpet that runs with this snapshot, and for the file.
   * @throws StartError when one runs and cannot hand over, or the file can neither be read nor set aside
   */
  static async open(options: SnapshotKeeperOptions): Promise<SnapshotKeeper> {
    const { path, secrets, log, now = Date.now } = options;
    const file = new SnapshotFile(path, log, now);
    let client: HandoverClient | null;
    try {
      client = await HandoverClient.connect(`${path}.sock`, now);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StartError(
        `sessions.snapshot: the limpet that runs with ${path} does not hand over: ${reason}; stop it, or name another file`,
        { cause },
      );
    }
    const fingerprints = secrets.map(keyFingerprint);
    if (client === null) return new SnapshotKeeper(options, null, file, await file.open(fingerprints));
    if (!fingerprints.includes(client.description.keyFingerprint)) {
      log.warn(
        { snapshot: path },
        'the limpet that runs hashes its keys with a secret that is not in sessions.secretFile: its sessions cannot be taken over',
      );
    }
    return new SnapshotKeeper(options, client, file, null);
  }

  /** Whether another limpet runs with this snapshot. */
  get joined(): boolean {
    return this.#client !== null;
  }

  /** Fills the table. Limits of the pools have to be set, and names to know every backend, before. */
  async load(kept: KeptTable): Promise<void> {
    this.#kept = kept;
    const { table, names } = kept;
    const began = this.#now();
    if (this.#client !== null) {
      if (this.#client.description.keyFingerprint !== this.#fingerprint) return;
      raiseFloor(table, this.#client.description);
      const counts = await this.#client.load(names, table);
      if (counts !== null) {
        this.#client.share(this.#describe(kept), names, table);
        this.#log.info({ ...counts, ms: this.#now() - began }, 'sessions taken over from the limpet that runs');
        void this.#client.ended.then((whole) => {
          if (whole) this.#log.info({}, 'the limpet that ran before has ended');
          else if (!this.#stopped)
            this.#log.warn({}, 'the limpet that ran before is gone: its last changes may be missing');
        });
        return;
      }
      this.#log.warn({}, 'the limpet that ran ended before it had handed over all sessions: the rest is in its file');
      this.#snapshot = await this.#file.open([this.#fingerprint]);
    }
    if (this.#snapshot === null) return;
    const { writtenAt } = this.#snapshot.description;
    raiseFloor(table, this.#snapshot.description);
    const counts = await this.#snapshot.load(names, table);
    this.#snapshot = null;
    const fields = { ...counts, writtenAt: new Date(writtenAt).toISOString(), ms: this.#now() - began };
    this.#log.info(fields, 'sessions read from the snapshot');
  }

  /**
   * From now on the file is this process's: it is written every 30 s if something has changed. Listens for the next
   * limpet.
   * @param onTakeOver the next limpet takes traffic and wants this one to stop gracefully
   */
  async start(onTakeOver: () => void): Promise<void> {
    const kept = this.#kept;
    if (kept === null) throw new Error('load comes before start');
    await this.#client?.own();
    this.#timer = setInterval(() => void this.write(), this.#options.every ?? EVERY);
    this.#timer.unref();
    try {
      this.#server = await HandoverServer.listen({
        path: `${this.#file.path}.sock`,
        table: kept.table,
        names: kept.names,
        describe: () => this.#describe(kept),
        log: this.#log,
        onTakeOver,
        onReturn: () => {
          this.#returning = this.#return(kept).finally(() => {
            this.#returning = null;
          });
        },
        now: this.#now,
      });
    } catch (err) {
      this.#log.error({ err }, 'no other limpet can take the sessions over from this one');
    }
  }

  /**
   * Asks the limpet that ran before to stop gracefully; to be called when this one takes traffic. False: there is none
   * any more.
   */
  takeOver(): boolean {
    return this.#client?.takeOver() ?? false;
  }

  /**
   * Writes the file, if it is this process's and something has changed. One write at a time: a call during one answers
   * with it.
   * @returns false when it failed, which has been logged
   */
  write(): Promise<boolean> {
    const kept = this.#kept;
    if (kept === null || this.#returning !== null || this.#server?.released === true) return Promise.resolve(true);
    if (!this.#failed && !this.#changed(kept)) return Promise.resolve(true);
    this.#writing ??= this.#write(kept).finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  /**
   * Hands the last changes over, or writes the file. After `start`, or instead of it: then nothing is written.
   * @param ms for the other process to take them
   */
  async stop(ms?: number): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    const started = this.#timer !== undefined;
    const handed = (await this.#server?.close(ms)) === true;
    await this.#returning;
    await this.#writing;
    this.#server = null;
    if (started && !handed) await this.write();
    this.#client?.close();
    await this.#snapshot?.close();
  }

  #changed({ table, backends }: KeptTable): boolean {
    return table.hasMarked(ChangeReader.SNAPSHOT) || JSON.stringify(backends()) !== this.#written;
  }

  async #write(kept: KeptTable): Promise<boolean> {
    const began = this.#now();
    let description = this.#describe(kept);
    const describe = (): TableDescription => {
      description = this.#describe(kept);
      return description;
    };
    try {
      const counts = await this.#file.write(describe, kept.names, kept.table, () => !this.#stopped);
      this.#written = JSON.stringify(description.backends);
      this.#log.debug({ ...counts, ms: this.#now() - began }, 'snapshot written');
      if (this.#failed) this.#log.info({}, 'the snapshot of the sessions is written again');
      this.#failed = false;
      return true;
    } catch (err) {
      if (!this.#failed)
        this.#log.error({ err, snapshot: this.#file.path }, 'the snapshot of the sessions cannot be written');
      this.#failed = true;
      return false;
    }
  }

  /** The process that had the file is gone: what it has written is newer than what is here. */
  async #return({ table, names }: KeptTable): Promise<void> {
    try {
      const snapshot = await this.#file.open([this.#fingerprint]);
      if (snapshot === null) return;
      raiseFloor(table, snapshot.description);
      await snapshot.load(names, table);
    } catch (err) {
      this.#log.error({ err, snapshot: this.#file.path }, 'cannot read what the other process has written');
    }
  }

  #describe({ backends, table }: KeptTable): TableDescription {
    return {
      keyFingerprint: this.#fingerprint,
      backends: backends(),
      // As of when it is written down, which is after the rows.
      get floor() {
        return table.floor;
      },
    };
  }
}

/** What another process had to forget is forgotten here, too. */
function raiseFloor(table: SessionTable, { floor }: TableDescription): void {
  if (typeof floor === 'number' && Number.isFinite(floor)) table.raiseFloor(Math.min(floor, Date.now()));
}

import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { KnownLife } from '../../backends/known-lives.ts';
import { Deadline } from '../../timing/deadline.ts';
import { ChangeReader } from '../table/row-changes.ts';
import type { RowRecord } from '../table/row-record.ts';
import type { SessionTable } from '../table/table.ts';
import { Frame, sendFrame } from './handover-frames.ts';
import { copyTable } from './snapshot-copy.ts';
import type { SessionNames } from './snapshot-names.ts';
import { RECORD_BYTES, RecordEncoder } from './snapshot-record.ts';

/**
 * How often changes are sent, ms: as long may a session be unknown to the other process, to which its next request may
 * go.
 */
const EVERY = 20;
const ROWS = 2_048;

/** Sends another process the table, or only what changes in it, until either goes. */
export class HandoverPeer {
  /** The other process has said that the snapshot file is its own. */
  owner = false;
  readonly #socket: Socket;
  readonly #reader: typeof ChangeReader.HANDOVER | typeof ChangeReader.ORIGIN;
  readonly #table: SessionTable;
  readonly #encoder: RecordEncoder;
  readonly #now: () => number;
  readonly #bytes = new Uint8Array(ROWS * RECORD_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #stopping = new AbortController();
  /** Null: the other process knows of no lives. */
  readonly #lives: (() => readonly KnownLife[]) | null;
  #named = 0;
  #running: Promise<void> | null = null;

  /**
   * @param reader whose changes are sent. HANDOVER: the whole table first, then all changes; ORIGIN: only what begins,
   *   moves or ends
   * @param speaks how much the other process understands, see SPEAKS
   */
  constructor(
    socket: Socket,
    table: SessionTable,
    names: SessionNames,
    now: () => number,
    reader: typeof ChangeReader.HANDOVER | typeof ChangeReader.ORIGIN,
    speaks: number,
  ) {
    this.#socket = socket;
    this.#reader = reader;
    this.#table = table;
    this.#encoder = new RecordEncoder(names);
    this.#now = now;
    this.#lives = speaks < 2 ? null : names.lives.reader();
    socket.once('close', () => this.#stopping.abort());
  }

  /** Begins. An error destroys the socket. */
  start(): void {
    this.#running ??= this.#run().catch((error: Error) => {
      this.#socket.destroy(this.#socket.destroyed ? undefined : error);
    });
  }

  /**
   * Sends the last changes and ends the connection. False: the other process is gone, or takes too long, and may have
   * missed some.
   */
  async finish(deadlineMs: number): Promise<boolean> {
    this.#stopping.abort();
    const socket = this.#socket;
    const deadline = new Deadline(deadlineMs, () => socket.destroy());
    await this.#running;
    let sent = false;
    if (!socket.destroyed) {
      sendFrame(socket, Frame.GOODBYE);
      socket.once('finish', () => {
        sent = true;
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once('close', resolve);
      socket.end();
      await promise;
    }
    deadline.cancel();
    return sent;
  }

  async #run(): Promise<void> {
    if (this.#reader === ChangeReader.HANDOVER) {
      const chunks = copyTable(this.#table, this.#encoder, this.#now, this.#reader, () => {});
      for await (const chunk of chunks) {
        await this.#send(chunk);
        if (this.#socket.destroyed) return;
      }
      sendFrame(this.#socket, Frame.WHOLE);
    }
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#socket.destroyed) {
      await this.#changes();
      await setTimeout(EVERY, undefined, { signal }).catch(() => {});
    }
    if (!this.#socket.destroyed) await this.#changes();
  }

  async #changes(): Promise<void> {
    let at = 0;
    const visit = (record: RowRecord): void => {
      if (this.#encoder.encode(record, this.#view, at)) at += RECORD_BYTES;
    };
    this.#encoder.refresh();
    this.#tellLives();
    const least = this.#reader === ChangeReader.HANDOVER ? 1 : 2;
    for (let taken = ROWS; taken === ROWS && !this.#socket.destroyed; ) {
      at = 0;
      taken = this.#table.takeChanged(least, ROWS, visit, this.#reader);
      if (at > 0) await this.#send(this.#bytes.subarray(0, at));
    }
  }

  /** Also without a row that is bound to it: what has ended is over at once for both. */
  #tellLives(): void {
    const changed = this.#lives?.() ?? [];
    if (changed.length > 0) sendFrame(this.#socket, Frame.LIVES, JSON.stringify(changed));
  }

  async #send(records: Uint8Array): Promise<void> {
    const { list, lives } = this.#encoder;
    this.#tellLives();
    if (list.length > this.#named) {
      const names = list.slice(this.#named);
      const said = this.#lives === null ? names : { names, lives: lives.slice(this.#named) };
      sendFrame(this.#socket, Frame.NAMES, JSON.stringify(said));
      this.#named = list.length;
    }
    if (sendFrame(this.#socket, Frame.RECORDS, records) || this.#socket.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.once('drain', resolve).once('close', resolve);
    await promise;
    this.#socket.off('drain', resolve).off('close', resolve);
  }
}

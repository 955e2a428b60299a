import type { Socket } from 'node:net';
import { Deadline } from '../../timing/deadline.ts';
import { ChangeReader } from '../table/row-changes.ts';
import type { SessionTable } from '../table/table.ts';
import { Frame, PROTOCOL, readFrames, SPEAKS, sendFrame } from './handover-frames.ts';
import { HandoverIntake } from './handover-intake.ts';
import { HandoverPeer } from './handover-peer.ts';
import { connectTo } from './handover-socket.ts';
import { parseDescription, type TableDescription, type WrittenDescription, written } from './snapshot-description.ts';
import type { LoadCounts } from './snapshot-load.ts';
import type { SessionNames } from './snapshot-names.ts';
import { whileSilent } from './while-silent.ts';

/** How long the old process may be silent where an answer is due, ms. */
const PATIENCE = 10_000;

/** The new process's side: takes the sessions of the one that runs. */
export class HandoverClient {
  readonly description: WrittenDescription;
  /** Settles when the old process is gone: true if it said goodbye, so that nothing is missing. Never rejects. */
  readonly ended: Promise<boolean>;
  readonly #socket: Socket;
  readonly #now: () => number;
  readonly #whole = Promise.withResolvers<boolean>();
  readonly #released = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<boolean>();
  #intake: HandoverIntake | null = null;
  #goodbye = false;

  private constructor(socket: Socket, description: WrittenDescription, now: () => number) {
    this.#socket = socket;
    this.#now = now;
    this.description = description;
    this.ended = this.#end.promise;
    socket.once('close', () => {
      this.#whole.resolve(false);
      this.#released.resolve();
      this.#end.resolve(this.#goodbye);
    });
  }

  /**
   * Asks the process that listens on the unix socket; null: there is none.
   * Rejects when it cannot be reached, does not answer, or cannot hand over; the error says why.
   * @param now wall clock, ms since epoch
   */
  static async connect(path: string, now: () => number): Promise<HandoverClient | null> {
    const socket = await connectTo(path);
    if (socket === null) return null;
    const { promise, resolve, reject } = Promise.withResolvers<HandoverClient>();
    const talks = whileSilent(socket, PATIENCE, `it says nothing for ${PATIENCE / 1000} s`);
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('it ended the connection')));
    let client: HandoverClient | null = null;
    readFrames(socket, (type, payload) => {
      if (client !== null) {
        client.#frame(type, payload);
        return;
      }
      if (type === Frame.REFUSED) throw new Error(payload.toString());
      const description = type === Frame.DESCRIPTION ? parseDescription(payload.toString()) : null;
      if (description === null) throw new Error('its answer cannot be understood');
      talks();
      client = new HandoverClient(socket, description, now);
      resolve(client);
    });
    sendFrame(socket, Frame.HELLO, JSON.stringify({ protocol: PROTOCOL, speaks: SPEAKS }));
    return promise;
  }

  /**
   * Takes all sessions into the table, and goes on to take what changes until the other process ends.
   * @returns null when it ended before it had sent all; what came is in the table
   */
  async load(names: SessionNames, table: SessionTable): Promise<LoadCounts | null> {
    const intake = new HandoverIntake(this.description, names, table, this.#now);
    this.#intake = intake;
    const socket = this.#socket;
    const talks = whileSilent(socket, PATIENCE, 'it is silent');
    sendFrame(socket, Frame.WANTED);
    const whole = await this.#whole.promise;
    talks();
    return whole ? { ...intake.counts } : null;
  }

  /**
   * From now on the other process is told of sessions that begin, move or end here: both may get requests of one
   * session for as long as the old one drains.
   * @param table allocated with change tracking
   */
  share(description: TableDescription, names: SessionNames, table: SessionTable): void {
    if (this.#socket.destroyed) return;
    sendFrame(this.#socket, Frame.DESCRIPTION, JSON.stringify(written(description, [], [], this.#now())));
    const speaks = this.description.speaks ?? 1;
    new HandoverPeer(this.#socket, table, names, this.#now, ChangeReader.ORIGIN, speaks).start();
  }

  /**
   * This process writes the snapshot file from now on. Settles when the other one has let go of it, and of the name of
   * the socket.
   */
  async own(): Promise<void> {
    if (this.#socket.destroyed) return;
    sendFrame(this.#socket, Frame.OWNER);
    const deadline = new Deadline(PATIENCE, () => this.#socket.destroy(new Error('it does not let go')));
    await this.#released.promise;
    deadline.cancel();
  }

  /** Asks the other process to stop gracefully. False: it is gone already. */
  takeOver(): boolean {
    if (this.#socket.destroyed) return false;
    sendFrame(this.#socket, Frame.TAKE_OVER);
    return true;
  }

  /** Leaves the other process to itself: it keeps its sessions. */
  close(): void {
    this.#socket.destroy();
  }

  #frame(type: number, payload: Buffer): void {
    switch (type) {
      case Frame.NAMES:
      case Frame.LIVES:
      case Frame.RECORDS:
        if (this.#intake === null) throw new Error('it sends what nobody wanted');
        this.#intake.take(type, payload);
        return;
      case Frame.WHOLE:
        this.#whole.resolve(true);
        return;
      case Frame.RELEASED:
        this.#released.resolve();
        return;
      case Frame.GOODBYE:
        this.#goodbye = true;
        this.#socket.end();
        return;
      default:
        throw new Error(`frame ${type} is unknown`);
    }
  }
}

import type { Server, Socket } from 'node:net';
import type { Logger } from '../../logging/logger.ts';
import { ChangeReader } from '../table/row-changes.ts';
import type { SessionTable } from '../table/table.ts';
import { Frame, PROTOCOL, readFrames, SPEAKS, sendFrame } from './handover-frames.ts';
import { HandoverIntake } from './handover-intake.ts';
import { HandoverPeer } from './handover-peer.ts';
import { listenOnSocket } from './handover-socket.ts';
import { parseDescription, type TableDescription, written } from './snapshot-description.ts';
import type { SessionNames } from './snapshot-names.ts';
import { whileSilent } from './while-silent.ts';

/** How long a process may take to say who it is, and to take the last changes, ms. */
const PATIENCE = 10_000;

/** What a HandoverServer works with. */
interface HandoverServerParts {
  /** Of the unix socket. */
  readonly path: string;
  /** Allocated with change tracking. */
  readonly table: SessionTable;
  readonly names: SessionNames;
  readonly describe: () => TableDescription;
  readonly log: Logger;
  /** The other process takes traffic and asks this one to stop gracefully. */
  readonly onTakeOver: () => void;
  /** The process that had taken the snapshot file over is gone, and this one goes on. */
  readonly onReturn: () => void;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
}

/** Hands the sessions over to a process that starts: one at a time. */
export class HandoverServer {
  readonly #parts: HandoverServerParts;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #peer: HandoverPeer | null = null;
  #closed = false;

  private constructor(parts: HandoverServerParts) {
    this.#parts = parts;
  }

  /** Rejects when it cannot listen there. */
  static async listen(parts: HandoverServerParts): Promise<HandoverServer> {
    const server = new HandoverServer(parts);
    await server.#listen();
    return server;
  }

  /** Whether another process writes the snapshot file now. */
  get released(): boolean {
    return this.#peer?.owner === true;
  }

  /** Sends the last changes and ends all. Answers whether another process has all the sessions and writes the file. */
  async close(ms = PATIENCE): Promise<boolean> {
    this.#closed = true;
    this.#server?.close();
    this.#server = null;
    const peer = this.#peer;
    const handed = peer?.owner === true && (await peer.finish(Math.min(ms, PATIENCE)));
    for (const socket of this.#sockets) socket.destroy();
    return handed;
  }

  async #listen(): Promise<void> {
    const { path, log } = this.#parts;
    const server = await listenOnSocket(path, (socket) => this.#accept(socket));
    server.on('error', (err) => log.error({ err }, 'handover socket'));
    server.unref();
    if (this.#closed) server.close();
    else this.#server = server;
  }

  #accept(socket: Socket): void {
    const { log, table, names, now } = this.#parts;
    this.#sockets.add(socket);
    let peer: HandoverPeer | null = null;
    let intake: HandoverIntake | null = null;
    let speaks = 1;
    const known = whileSilent(socket, PATIENCE, 'it does not say who it is');
    socket.on('error', (err) => log.warn({ err }, 'the process that takes over is gone'));
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (peer === null || this.#peer !== peer) return;
      this.#peer = null;
      if (peer.owner && !this.#closed) void this.#return();
    });
    readFrames(socket, (type, payload) => {
      switch (type) {
        case Frame.HELLO:
          speaks = this.#greet(socket, payload);
          // It has things of its own to do before it wants the sessions, and cannot be gone without this end being
          // told.
          if (speaks > 0) known();
          return;
        case Frame.WANTED:
        case Frame.OWNER:
          if (this.#peer !== null && this.#peer !== peer) throw new Error('another process takes over already');
          if (peer === null) {
            peer = new HandoverPeer(socket, table, names, now, ChangeReader.HANDOVER, speaks);
            this.#peer = peer;
          }
          if (type === Frame.WANTED) peer.start();
          else this.#release(socket, peer);
          return;
        case Frame.DESCRIPTION: {
          const description = parseDescription(payload.toString());
          if (peer === null || description === null) throw new Error('it cannot be understood');
          intake = new HandoverIntake(description, names, table, now);
          return;
        }
        case Frame.NAMES:
        case Frame.LIVES:
        case Frame.RECORDS:
          if (intake === null) throw new Error('it sends what nobody wanted');
          intake.take(type, payload);
          return;
        case Frame.TAKE_OVER:
          log.info({}, 'another process takes over: this one stops');
          this.#parts.onTakeOver();
          return;
        default:
          throw new Error(`frame ${type} is unknown`);
      }
    });
  }

  /** Answers how much the other process understands, see SPEAKS; 0: it may not go on. */
  #greet(socket: Socket, payload: Buffer): number {
    const { describe, now } = this.#parts;
    const { protocol, speaks } = JSON.parse(payload.toString()) as {
      readonly protocol?: unknown;
      readonly speaks?: unknown;
    };
    const refusal =
      protocol !== PROTOCOL
        ? `it speaks version ${PROTOCOL} of the handover`
        : this.#peer !== null
          ? 'another process takes over from it already'
          : null;
    if (refusal !== null) {
      sendFrame(socket, Frame.REFUSED, refusal);
      socket.end();
    } else {
      sendFrame(socket, Frame.DESCRIPTION, JSON.stringify({ ...written(describe(), [], [], now()), speaks: SPEAKS }));
    }
    if (refusal !== null) return 0;
    return typeof speaks === 'number' && speaks >= 1 ? speaks : 1;
  }

  /** From now on the other process writes the file, and listens for the next one. */
  #release(socket: Socket, peer: HandoverPeer): void {
    peer.owner = true;
    // The name of the socket is gone with this, before the other process makes it anew.
    this.#server?.close();
    this.#server = null;
    sendFrame(socket, Frame.RELEASED);
  }

  async #return(): Promise<void> {
    const { log, onReturn } = this.#parts;
    log.warn({}, 'the process that took over is gone: this one keeps the sessions again');
    onReturn();
    try {
      await this.#listen();
    } catch (err) {
      log.error({ err }, 'cannot listen for a process that takes over');
    }
  }
}

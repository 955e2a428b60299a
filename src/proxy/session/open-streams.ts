import type { Exchange } from '../../exchange/exchange.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import { Row } from '../../sessions/table/row.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import { CloseReason } from '../../websocket/websocket-close.ts';
import { followRotation } from './session-changes.ts';

/** Every stream is looked at once in so many ticks of the wheel: twice a second. */
const ROUND_TICKS = 10;
/**
 * A WebSocket whose peers do not end a message is closed in the midst of it after so long, ms, and cut after twice
 * that.
 */
const PATIENCE_MS = 2_000;
/** What ends a response that is under way, see Handler. */
type Cut = (x: Exchange) => void;

/**
 * The WebSockets, other tunnels and event streams of sessions that are open in this worker. They last longer than a
 * request, so the session may end or expire under them, in whichever worker or node: then WebSockets are closed with
 * 1008 and the others cut. As long as bytes flow they keep their session from going idle.
 *
 * Each looks at its own row twice a second rather than being told: that needs no message that can be lost, and no index
 * of who has what open.
 */
export class OpenStreams {
  readonly #table: SessionTable;
  readonly #cut: Cut;
  readonly #open: Exchange[] = [];
  readonly #row = new Row();
  #next = 0;

  constructor(table: SessionTable, cut: Cut) {
    this.#table = table;
    this.#cut = cut;
  }

  /** Its session has to last from here on. An exchange without a session is left alone. */
  add(x: Exchange, now: number): void {
    if (x.strategy === null || x.streamAt >= 0) return;
    x.streamAt = this.#open.push(x) - 1;
    x.streamBytes = 0;
    x.streamSeenAt = now;
    x.streamEndsAt = 0;
  }

  remove(x: Exchange): void {
    const at = x.streamAt;
    if (at < 0) return;
    x.streamAt = -1;
    const last = this.#open.pop()!;
    if (last === x) return;
    this.#open[at] = last;
    last.streamAt = at;
  }

  get size(): number {
    return this.#open.length;
  }

  /** Looks at a part of them. `now` is wall-clock time, ms since epoch. */
  tick(now: number): void {
    for (let n = Math.ceil(this.#open.length / ROUND_TICKS); n > 0 && this.#open.length > 0; n--) {
      if (this.#next >= this.#open.length) this.#next = 0;
      const x = this.#open[this.#next++]!;
      if (x.streamEndsAt > 0 || this.#isOver(x, now)) this.#end(x, now);
    }
  }

  #isOver(x: Exchange, now: number): boolean {
    const table = this.#table;
    const { idle, lifetime } = x.runtime!.pool.config.session;
    switch (table.peek(x.found.key, now, this.#row)) {
      case Lookup.LIVE: {
        // Another one under the same key, which its client has begun anew. Cookies and other nodes keep whole
        // milliseconds.
        if (this.#row.created >= x.createdAt + 1) return true;
        const bytes = x.bytesIn + x.bytesOut;
        if (bytes === x.streamBytes) return false;
        x.streamBytes = bytes;
        x.streamSeenAt = now;
        table.keep(x.found.key, now);
        return false;
      }
      case Lookup.ENDED:
        return !followRotation(x, table);
      case Lookup.NONE:
        // Evicted for lack of room, which ends nothing; or its time was over, and it was swept away.
        return now - x.createdAt >= lifetime || now - x.streamSeenAt >= idle;
      default:
        return true;
    }
  }

  #end(x: Exchange, now: number): void {
    const began = x.streamEndsAt === 0;
    if (began) x.streamEndsAt = now;
    const waited = now - x.streamEndsAt;
    // A clock that was set back must not keep it open.
    if (waited < 0) x.streamEndsAt = now;
    const closing = waited < 2 * PATIENCE_MS && x.upstream?.goAway(waited >= PATIENCE_MS, CloseReason.sessionEnded);
    if (closing !== true) this.#cut(x);
  }
}

import type { Writable } from 'node:stream';
import type { LimpetEvent } from './limpet-event.ts';

/** What one listener may have waiting to be sent; a slower one is dropped and comes back with its Last-Event-ID. */
const MOST_WAITING_BYTES = 256 * 1024;
const MOST_LISTENERS = 64;
/** Events that are kept for those who come back. */
const KEPT = 512;
/** Proxies and phones drop connections that are silent for longer. */
const HEARTBEAT_MS = 15_000;
/** What a browser waits before it connects again. */
const RETRY_MS = 2_000;
const ID = /^([0-9a-z]{1,16})-(\d{1,15})$/;

/** The part of a response that a listener is written to. */
export type EventSink = Pick<Writable, 'write' | 'end' | 'destroy' | 'writableLength' | 'on'>;

/** Where a listener begins. */
interface EventsFrom {
  /** What it heard last (`Last-Event-ID`): it gets what came after. */
  readonly lastId?: string | undefined;
  /** For one that heard nothing yet: so many of the latest events first. */
  readonly recent?: number | undefined;
}

interface Kept {
  readonly serial: number;
  readonly text: string;
}

interface EventStreamOptions {
  /** Wall clock, ms since epoch. */
  readonly now?: () => number;
  readonly kept?: number;
  readonly mostListeners?: number;
  readonly mostWaitingBytes?: number;
  readonly heartbeatMs?: number;
}

/**
 * Events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), for those who listen
 * and, a bounded number of them, for those who come back. A listener that does not read is dropped, so that none costs
 * more than a bounded piece of memory.
 */
export class EventStream {
  readonly #now: () => number;
  readonly #kept: number;
  readonly #mostListeners: number;
  readonly #mostWaitingBytes: number;
  readonly #heartbeatMs: number;
  /** Tells the ids of this process from those of the one before. */
  readonly #epoch: string;
  readonly #ring: Kept[] = [];
  readonly #listeners = new Set<EventSink>();
  #serial = 0;
  #heartbeat: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: EventStreamOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#kept = options.kept ?? KEPT;
    this.#mostListeners = options.mostListeners ?? MOST_LISTENERS;
    this.#mostWaitingBytes = options.mostWaitingBytes ?? MOST_WAITING_BYTES;
    this.#heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
    this.#epoch = this.#now().toString(36);
  }

  /** How many listen now. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Null: one more may listen. Otherwise why not, in one sentence. */
  get full(): string | null {
    if (this.#closed) return 'limpet is stopping.';
    if (this.#listeners.size < this.#mostListeners) return null;
    return `${this.#mostListeners} listen already, which is as many as may: close one first.`;
  }

  /** Tells everybody who listens. Never throws. */
  publish({ event, ...data }: LimpetEvent): void {
    if (this.#closed) return;
    const serial = ++this.#serial;
    const time = new Date(this.#now()).toISOString();
    // JSON has no line end outside of its escapes: one data line is enough.
    const text = `id: ${this.#epoch}-${serial}\nevent: ${event}\ndata: ${JSON.stringify({ time, ...data })}\n\n`;
    this.#ring.push({ serial, text });
    if (this.#ring.length > this.#kept) this.#ring.shift();
    this.#tell(text);
  }

  /** Adds a listener whose response has its head. It leaves when it is closed, when it is too slow, and at `close`. */
  listen(sink: EventSink, from: EventsFrom = {}): void {
    const leave = (): void => this.#drop(sink);
    sink.on('close', leave);
    sink.on('error', leave);
    this.#listeners.add(sink);
    if (this.#heartbeat === null) {
      this.#heartbeat = setInterval(() => this.#tell(': still here\n\n'), this.#heartbeatMs);
      this.#heartbeat.unref();
    }
    // The comment makes the head leave at once.
    sink.write(`retry: ${RETRY_MS}\n: limpet\n\n${this.#missed(from)}`);
  }

  /** Ends what everybody listens to; nobody may listen any more. */
  close(): void {
    this.#closed = true;
    for (const sink of [...this.#listeners]) {
      this.#drop(sink);
      sink.end();
    }
  }

  #tell(text: string): void {
    for (const sink of this.#listeners) {
      if (sink.writableLength > this.#mostWaitingBytes) {
        this.#drop(sink);
        sink.destroy();
      } else sink.write(text);
    }
  }

  #drop(sink: EventSink): void {
    this.#listeners.delete(sink);
    if (this.#listeners.size > 0 || this.#heartbeat === null) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = null;
  }

  /** What a listener has not heard, as far as it is kept. What is not kept any more is said to be missing. */
  #missed({ lastId, recent = 0 }: EventsFrom): string {
    if (lastId === undefined || lastId === '') return recent === 0 ? '' : textOf(this.#ring.slice(-recent));
    const [, epoch, number = ''] = ID.exec(lastId) ?? [];
    const serial = Number(number);
    // Of the limpet before, or nothing that was ever told: what has happened here since the start.
    if (epoch !== this.#epoch || serial > this.#serial) return gap(null) + textOf(this.#ring);
    const lost = this.#serial - this.#ring.length - serial;
    return (lost > 0 ? gap(lost) : '') + textOf(this.#ring.filter((kept) => kept.serial > serial));
  }
}

function textOf(events: readonly Kept[]): string {
  return events.map(({ text }) => text).join('');
}

/** Without an id: it is told again to whoever comes back. */
function gap(count: number | null): string {
  return `event: missed\ndata: ${JSON.stringify({ count })}\n\n`;
}

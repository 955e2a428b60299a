import { StartError } from '../errors-start.ts';
import type { LabelledTotals } from '../metrics/labelled-totals.ts';
import { AuditFile } from './audit-file.ts';
import { auditLine } from './audit-line.ts';
import { EventOrder } from './event-order.ts';
import { EventSequence } from './event-sequence.ts';
import type { Logger } from './logger.ts';
import type { EventBatch, NumberedEvent } from './numbered-event.ts';
import { RecentEnds } from './recent-ends.ts';
import type { SessionEvent, SessionJournal } from './session-journal.ts';

/** The longest that events wait for one before them that has not come. */
const PATIENCE_MS = 1_000;
/** Events that wait for it at most. */
const MOST_WAITING = 100_000;
/**
 * Clocks of threads are read before events get their number: by so much an event may seem to be older than the one
 * before it.
 */
const CLOCK_MS = 1_000;
/** For the last lines of a file that is closed, ms. */
const LAST_MS = 2_000;

interface AuditLogParts {
  /** Of EventSequence, for the supervisor (thread 0) and the workers (from 1). */
  readonly sequence: SharedArrayBuffer;
  /** Number of threads, the supervisor's included. */
  readonly threads: number;
  /** The user of a hash; null: not known. */
  readonly user: (userA: number, userB: number) => string | null;
  readonly ends: RecentEnds;
  readonly labelled: LabelledTotals;
  readonly log: Logger;
}

/**
 * The audit log, in the supervisor: one line for each event of a session, of all threads and in their order. An event
 * that a dead worker had in its hands is passed over, one that does not come within a second too.
 */
export class AuditLog implements SessionJournal {
  readonly #parts: AuditLogParts;
  readonly #sequence: EventSequence;
  readonly #order: EventOrder<NumberedEvent>;
  /** Events that have come, by thread, modulo 2^32. */
  readonly #received: Uint32Array;
  #file: AuditFile | null = null;
  #lines = '';
  #lastTime = 0;
  #lost = 0;
  #gap: NodeJS.Timeout | null = null;
  #closing: Promise<void> = Promise.resolve();

  constructor(parts: AuditLogParts) {
    this.#parts = parts;
    this.#sequence = new EventSequence(parts.sequence, 0);
    this.#received = new Uint32Array(parts.threads);
    this.#order = new EventOrder((event) => this.#line(event));
  }

  /** False: of what happens the ends of sessions alone are kept. */
  get isOn(): boolean {
    return this.#file !== null;
  }

  /** Writes to this file from now on. @throws StartError when it cannot be opened; all is as it was then */
  open(path: string | null): void {
    if ((this.#file?.path ?? null) === path) return;
    const next = path === null ? null : this.#newFile(path);
    next?.open();
    this.#use(next);
  }

  /** As `open` for a limpet that runs: where the file cannot be opened, that is logged, and tried again. */
  change(path: string | null): void {
    try {
      this.open(path);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#parts.log.error({ problem: error.message }, 'audit log cannot be opened: events wait in memory');
      this.#use(this.#newFile(path!));
    }
  }

  /** Opens the file again, after it has been renamed. */
  reopen(): void {
    this.#write();
    this.#file?.reopen();
  }

  note(event: SessionEvent): void {
    if (this.#file === null && !RecentEnds.takes(event)) return;
    this.#add(0, { ...event, sequence: this.#sequence.next() });
    this.#write();
  }

  /** Takes in what a thread has noted. */
  take(thread: number, { events, lost }: EventBatch): void {
    if (lost > 0) this.#onLost(lost);
    for (const event of events) this.#add(thread, event);
    this.#write();
  }

  /** A thread has ended: what it had not sent is gone. */
  threadGone(thread: number): void {
    const missing = (this.#sequence.taken(thread) - this.#received[thread]!) >>> 0;
    if (missing > 0) this.#onLost(missing);
    this.#received[thread] = this.#sequence.taken(thread);
    this.#write();
  }

  /** Writes all that has come, and closes the file: after `ms`, or two seconds, at the latest. */
  async close(ms = LAST_MS): Promise<void> {
    if (this.#gap !== null) clearTimeout(this.#gap);
    this.#order.passAll();
    this.#use(null, Math.min(ms, LAST_MS));
    await this.#closing;
  }

  /** Writes all that has come before it returns, for the end of the process. */
  flushSync(): void {
    this.#order.passAll();
    this.#flush();
    this.#file?.flushSync();
  }

  #newFile(path: string): AuditFile {
    const { log } = this.#parts;
    return new AuditFile(path, {
      onTrouble: (problem) => {
        if (problem !== null) {
          log.error({ file: path, problem }, 'audit log cannot be written: events wait in memory');
        } else {
          log.warn({ file: path, lost: this.#lost }, 'audit log is written again');
          this.#lost = 0;
        }
      },
      onLost: (lines) => this.#onLost(lines),
    });
  }

  #use(next: AuditFile | null, ms = LAST_MS): void {
    this.#flush();
    const before = this.#file;
    this.#file = next;
    if (before !== null) {
      const earlier = this.#closing;
      const closed = before.close(ms);
      this.#closing = earlier.then(() => closed);
    }
  }

  #onLost(events: number): void {
    this.#parts.labelled.add([{ name: 'limpet_audit_dropped_total', labels: [], count: events }]);
    if (this.#lost === 0) this.#parts.log.error({ events }, 'events of the audit log are lost');
    this.#lost += events;
  }

  #add(thread: number, event: NumberedEvent): void {
    this.#received[thread] = (this.#received[thread]! + 1) >>> 0;
    this.#order.add(event);
  }

  #line(event: NumberedEvent): void {
    const { time, userA, userB } = event;
    const behind = this.#lastTime - time;
    // In the order of the events, no line is dated before the one above it, unless the clock was set back.
    if (!(behind > 0 && behind < CLOCK_MS)) this.#lastTime = time;
    this.#parts.ends.add(event);
    if (this.#file === null) return;
    const user = userA === 0 && userB === 0 ? null : this.#parts.user(userA, userB);
    this.#lines += auditLine(event, this.#lastTime, user);
  }

  /** Writes what is in order, and sees to what is not. */
  #write(): void {
    if (this.#order.waiting > 0 && (this.#order.waiting > MOST_WAITING || this.#hasAll())) this.#order.passAll();
    this.#flush();
    if (this.#order.waiting === 0) {
      if (this.#gap !== null) clearTimeout(this.#gap);
      this.#gap = null;
    } else if (this.#gap === null) {
      const { next } = this.#order;
      this.#gap = setTimeout(() => {
        this.#gap = null;
        if (this.#order.next === next) this.#order.passGap();
        this.#write();
      }, PATIENCE_MS);
    }
  }

  /** Whether every event that has a number has come, or was lost. */
  #hasAll(): boolean {
    return this.#received.every((received, thread) => received === this.#sequence.taken(thread));
  }

  #flush(): void {
    this.#file?.write(this.#lines);
    this.#lines = '';
  }
}

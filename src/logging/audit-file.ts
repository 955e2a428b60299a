import { closeSync, constants, fstatSync, openSync, writeSync, write as writeToDescriptor } from 'node:fs';
import { whyUnwritable } from '../config/files.ts';
import { StartError } from '../errors-start.ts';
import { Deadline } from '../timing/deadline.ts';

/** Characters that wait in memory while the file cannot be written. */
const LONGEST_BACKLOG = 16 * 2 ** 20;
/** Between two tries when the file cannot be written. */
const RETRY_MS = 1_000;
/** The same when it is a pipe that takes nothing right now. */
const PIPE_MS = 20;
/** How often a file that is written is looked at: whether it is still in a directory. */
const LOOK_MS = 1_000;
const LF = 10;
/** A pipe without a reader is an error at once, not a wait without an end. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const MODE = 0o600;

interface AuditFileEvents {
  /** The file cannot be written from now on, and why; null: it can again. */
  onTrouble(problem: string | null): void;
  /** So many lines are lost. */
  onLost(lines: number): void;
}

/**
 * A file that lines are appended to for good: created with mode 0600 when it is missing, opened again on request (after
 * a rotation) or when it has been deleted. While it cannot be written, because the disk is full or its directory is
 * gone, lines wait in memory up to a bound, those beyond it are lost and counted, and it is tried again every second.
 */
export class AuditFile {
  readonly #path: string;
  readonly #events: AuditFileEvents;
  readonly #longest: number;
  #descriptor = -1;
  /** Waiting text, joined only when it is written. */
  #waiting: string[] = [];
  #length = 0;
  /** What is being written, and how much of it has been. */
  #chunk: Buffer | null = null;
  #at = 0;
  #busy = false;
  #failing = false;
  #reopening = false;
  #lookedAt = 0;
  #retry: NodeJS.Timeout | null = null;
  #onEnd: (() => void) | null = null;
  #ended = false;

  /** @param longest characters that may wait while it cannot be written */
  constructor(path: string, events: AuditFileEvents, longest = LONGEST_BACKLOG) {
    this.#path = path;
    this.#events = events;
    this.#longest = longest;
  }

  get path(): string {
    return this.#path;
  }

  /** Opens the file, so that a start fails when it cannot be. @throws StartError */
  open(): void {
    try {
      this.#descriptor = openSync(this.#path, FLAGS, MODE);
      this.#lookedAt = performance.now();
    } catch (cause) {
      throw new StartError(`log.audit: cannot open ${this.#path}: ${whyUnwritable(cause)}`, { cause });
    }
  }

  /** Appends whole lines, one or many. Never throws. */
  write(lines: string): void {
    if (lines === '' || this.#ended) return;
    if (this.#length + lines.length > this.#longest) {
      this.#events.onLost(count(lines));
      return;
    }
    this.#waiting.push(lines);
    this.#length += lines.length;
    if (this.#retry === null) this.#go();
  }

  /**
   * Goes on in the file that has this path by now, once what is being written has been: no line is torn and none is
   * lost.
   */
  reopen(): void {
    this.#reopening = true;
    this.#tryNow();
  }

  /** Takes no more lines and settles when those that wait are written, or lost after `deadlineMs`. */
  close(deadlineMs = 2_000): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const deadline = new Deadline(deadlineMs, () => this.#end());
    this.#onEnd = () => {
      deadline.cancel();
      resolve();
    };
    this.#tryNow();
    return promise;
  }

  /** Writes what is waiting before it returns, for the end of the process. What cannot be written at once is lost. */
  flushSync(): void {
    // What is under way is in the kernel's hands already: to repeat it here would double its lines.
    const rest = this.#busy ? Buffer.alloc(0) : (this.#chunk?.subarray(this.#at) ?? Buffer.alloc(0));
    let text = Buffer.concat([rest, this.#take()]);
    this.#chunk = null;
    this.#ended = true;
    try {
      while (text.length > 0) text = text.subarray(writeSync(this.#descriptor, text));
    } catch {
      this.#events.onLost(count(text.latin1Slice()));
    }
  }

  #tryNow(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#go();
  }

  #take(): Buffer {
    const text = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#length = 0;
    return text;
  }

  #go(): void {
    if (this.#busy || this.#ended) return;
    // A line that is torn because the old file cannot be written is written whole into the new one.
    if (this.#reopening && (this.#chunk === null || this.#failing)) this.#change();
    if (this.#chunk === null) {
      if (this.#waiting.length === 0) {
        if (this.#onEnd !== null) this.#end();
        return;
      }
      if (!this.#isThere()) return;
      this.#chunk = this.#take();
      this.#at = 0;
    } else if (this.#failing && !this.#isThere()) return;
    this.#busy = true;
    writeToDescriptor(this.#descriptor, this.#chunk, this.#at, (error, written) => {
      this.#busy = false;
      this.#written(error, written);
    });
  }

  #written(error: NodeJS.ErrnoException | null, written: number): void {
    if (this.#ended) return closeQuietly(this.#descriptor);
    if (error !== null) {
      if (error.code !== 'EAGAIN') return this.#fail(error);
      this.#retry = setTimeout(() => this.#tryNow(), PIPE_MS);
      return;
    }
    this.#at += written;
    if (this.#at === this.#chunk!.length) this.#chunk = null;
    if (written > 0 && this.#failing) {
      this.#failing = false;
      this.#events.onTrouble(null);
    }
    this.#go();
  }

  /** The file of this path in place of the one that is open; that one stays when there is none. */
  #change(): boolean {
    this.#reopening = false;
    let next: number;
    try {
      next = openSync(this.#path, FLAGS, MODE);
    } catch (error) {
      this.#fail(error);
      return false;
    }
    if (this.#chunk !== null && this.#at > 0 && !isSameFile(this.#descriptor, next)) {
      this.#at = this.#chunk.lastIndexOf(LF, this.#at - 1) + 1;
    }
    closeQuietly(this.#descriptor);
    this.#descriptor = next;
    this.#lookedAt = performance.now();
    return true;
  }

  /** Whether there is an open file that has a name: what is written to a deleted one is lost. */
  #isThere(): boolean {
    const now = performance.now();
    if (this.#descriptor >= 0 && !this.#failing && now - this.#lookedAt < LOOK_MS) return true;
    this.#lookedAt = now;
    try {
      if (this.#descriptor >= 0 && fstatSync(this.#descriptor).nlink > 0) return true;
    } catch {
      // It cannot be looked at: the path decides.
    }
    return this.#change();
  }

  #fail(error: unknown): void {
    if (!this.#failing) {
      this.#failing = true;
      this.#events.onTrouble(whyUnwritable(error));
    }
    if (this.#ended || this.#retry !== null) return;
    this.#retry = setTimeout(() => this.#tryNow(), RETRY_MS);
    this.#retry.unref();
  }

  #end(): void {
    this.#ended = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    const rest = this.#chunk === null ? '' : this.#chunk.latin1Slice(this.#at);
    const lost = count(rest) + count(this.#waiting.join(''));
    this.#waiting = [];
    if (lost > 0) this.#events.onLost(lost);
    if (!this.#busy) closeQuietly(this.#descriptor);
    this.#onEnd?.();
  }
}

function closeQuietly(descriptor: number): void {
  if (descriptor < 0) return;
  try {
    closeSync(descriptor);
  } catch {
    // Nothing of ours is in it any more.
  }
}

function isSameFile(one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)];
    return a.ino === b.ino && a.dev === b.dev;
  } catch {
    return false;
  }
}

function count(lines: string): number {
  return lines.split('\n').length - 1;
}

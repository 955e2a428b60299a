import { fstatSync, writeSync, write as writeToDescriptor } from 'node:fs';
import { StartError } from '../errors-start.ts';
import { Deadline } from '../timing/deadline.ts';
import type { LineSink } from './logger.ts';
import type { LineFormat } from './pretty-format.ts';

/** Characters that wait in memory while the reader of the output is slow. */
const LONGEST_BACKLOG = 16 * 2 ** 20;
/** Between two tries when the output is a pipe that takes nothing right now. */
const RETRY_MS = 20;
const SYNC_RETRIES = 50;
const LF = 10;

/**
 * Where all log lines end up: standard output, written asynchronously by the supervisor alone, so lines of several
 * threads never mix. An output that fails (a full disk, a reader that is gone) costs lines, which are counted, and
 * never the process.
 *
 * This is no pino.destination because that one tries for ever, and keeps the process from ending, when the disk is full
 * at exit.
 */
export class LogOutput implements LineSink {
  readonly #descriptor: number;
  readonly #format: LineFormat | null;
  readonly #longest: number;
  /** Waiting text, joined only when it is written. */
  #waiting: string[] = [];
  #length = 0;
  #writing: Buffer | null = null;
  #lost = 0;
  /** The last write that worked ended within a line. */
  #torn = false;
  /** The reader is gone for good: nothing is kept any more. */
  #broken = false;
  #closing: (() => void) | null = null;
  #closed = false;

  /**
   * @param format turns each JSON line into what a person reads; null: lines go out as they are
   * @param descriptor an open file descriptor; it is not closed
   * @param longest characters that may wait while the reader is slow; lines beyond it are dropped, and a line says how
   *   many
   * @throws StartError when the descriptor is not open
   */
  constructor(format: LineFormat | null, descriptor = 1, longest = LONGEST_BACKLOG) {
    try {
      fstatSync(descriptor);
    } catch (cause) {
      throw new StartError(
        `log: standard output (descriptor ${descriptor}) is closed: redirect it to a file or to /dev/null`,
        { cause },
      );
    }
    this.#format = format;
    this.#descriptor = descriptor;
    this.#longest = longest;
  }

  /** Appends whole lines, one or many, in the order of the calls. Never throws. */
  write(lines: string): void {
    if (lines === '' || this.#broken || this.#closed) return;
    if (this.#length + lines.length > this.#longest) {
      this.#lost += count(lines);
      return;
    }
    this.#waiting.push(lines);
    this.#length += lines.length;
    if (this.#writing === null) this.#next();
  }

  /**
   * Writes what is waiting before it returns, for the end of the process. What cannot be written within a second is
   * lost.
   */
  flushSync(): void {
    if (this.#broken || this.#closed) return;
    // A write that is under way is in the kernel's hands already; to repeat it here would double its lines.
    let chunk = this.#take();
    for (let tries = 0; chunk.length > 0 && tries < SYNC_RETRIES; ) {
      try {
        chunk = chunk.subarray(writeSync(this.#descriptor, chunk));
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') return;
        tries++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  /** Takes no more lines and settles when those that wait are written, or after `deadlineMs` at the latest. */
  close(deadlineMs = 2000): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const deadline = new Deadline(deadlineMs, () => this.#finish());
    this.#closing = () => {
      deadline.cancel();
      resolve();
    };
    if (this.#writing === null) this.#finish();
    return promise;
  }

  #finish(): void {
    this.#closed = true;
    this.#closing?.();
  }

  #take(): Buffer {
    let text = this.#waiting.join('');
    this.#waiting = [];
    this.#length = 0;
    if (text !== '' && this.#lost > 0) {
      const time = new Date().toISOString();
      text = `${JSON.stringify({ level: 'warn', time, lines: this.#lost, msg: 'log lines were lost' })}\n${text}`;
      this.#lost = 0;
    }
    if (this.#format !== null) text = prettify(text, this.#format);
    const begin = this.#torn && text !== '' ? '\n' : '';
    return Buffer.from(begin + text);
  }

  #next(): void {
    if (this.#waiting.length === 0 || this.#closed) {
      this.#writing = null;
      if (this.#closing !== null) this.#finish();
      return;
    }
    this.#writing = this.#take();
    this.#write();
  }

  #write(): void {
    const chunk = this.#writing!;
    writeToDescriptor(this.#descriptor, chunk, (error, written) => {
      if (error === null) {
        if (written > 0) this.#torn = chunk[written - 1] !== LF;
        if (written === chunk.length) return this.#next();
        this.#writing = chunk.subarray(written);
        return this.#write();
      }
      if (error.code === 'EAGAIN') {
        if (!this.#closed) setTimeout(() => this.#write(), RETRY_MS);
        return;
      }
      this.#lost += count(chunk.latin1Slice());
      if (error.code === 'EPIPE' || error.code === 'EBADF') {
        this.#broken = true;
        this.#waiting = [];
        this.#length = 0;
      }
      this.#next();
    });
  }
}

function count(lines: string): number {
  return lines.split('\n').length - 1;
}

function prettify(lines: string, format: LineFormat): string {
  let text = '';
  for (const line of lines.split('\n')) if (line !== '') text += format(line);
  return text;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}

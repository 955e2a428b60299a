import { countdown } from './countdown.ts';
import type { DrainProgress } from './drain-wait.ts';
import { harmless, printLine } from './output.ts';
import { fitLine } from './top/fit-line.ts';

/** Characters of a full bar. */
const BAR = 24;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE = '\r\u001b[2K';

/** Shows how far a drain is. */
export interface ProgressView {
  show(progress: DrainProgress): void;
  /** Takes away what should not stay on the screen. */
  stop(): void;
}

/** Shows nothing: for `--json`. */
export const NO_PROGRESS: ProgressView = { show: () => {}, stop: () => {} };

/** A line whenever the numbers have changed, at most one a second: for what is no terminal. */
export class ProgressLines implements ProgressView {
  readonly #name: string;
  readonly #now: () => number;
  #shown = '';
  #at = Number.NEGATIVE_INFINITY;

  /** @param now monotonic, ms */
  constructor(name: string, now: () => number) {
    this.#name = harmless(name);
    this.#now = now;
  }

  show(progress: DrainProgress): void {
    const { sessions, requests } = progress;
    const numbers = `${sessions} ${requests}`;
    if (numbers === this.#shown || this.#now() - this.#at < 1000) return;
    this.#shown = numbers;
    this.#at = this.#now();
    printLine(`${this.#name}: ${words(progress)}`);
  }

  stop(): void {}
}

/** A bar that grows as sessions leave: for a terminal. */
export class ProgressBar implements ProgressView {
  readonly #name: string;
  readonly #terminal: Pick<NodeJS.WriteStream, 'write' | 'columns'>;
  #most = 0;
  #shown = false;

  constructor(name: string, terminal: Pick<NodeJS.WriteStream, 'write' | 'columns'>) {
    this.#name = harmless(name);
    this.#terminal = terminal;
  }

  show(progress: DrainProgress): void {
    const { sessions } = progress;
    this.#most = Math.max(this.#most, sessions);
    // Without a session there is nothing that could grow: the bar is full.
    const full = this.#most === 0 ? BAR : Math.round((BAR * (this.#most - sessions)) / this.#most);
    const line = `${this.#name} [${'='.repeat(full)}${'-'.repeat(BAR - full)}] ${words(progress)}`;
    this.#terminal.write(`${this.#shown ? '' : HIDE_CURSOR}${CLEAR_LINE}${fitLine(line, this.#terminal.columns - 1)}`);
    this.#shown = true;
  }

  stop(): void {
    if (this.#shown) this.#terminal.write(`${CLEAR_LINE}${SHOW_CURSOR}`);
    this.#shown = false;
  }
}

function words({ sessions, requests, remaining }: DrainProgress): string {
  const left = `${count(sessions, 'session')} and ${count(requests, 'request')} left`;
  if (remaining === null || sessions === 0) return left;
  return remaining === 0 ? `${left}; moving the sessions` : `${left}; the rest is moved in ${countdown(remaining)}`;
}

/** `1 session`, `2 sessions`. */
export function count(amount: number, word: string): string {
  return `${amount} ${word}${amount === 1 ? '' : 's'}`;
}

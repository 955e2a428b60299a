import { countdown } from './countdown.ts';
import type { DrainProgress } from './drain-wait.ts';
import { harmless, printLine } from './output.ts';

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
export async function progressBar(name: string): Promise<ProgressView> {
  // Loaded now: no other command needs it.
  const { SingleBar } = await import('cli-progress');
  const bar = new SingleBar({
    format: `${harmless(name)} [{bar}] {words}`,
    stream: process.stdout,
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
  });
  let most = 0;
  let started = false;
  return {
    show: (progress) => {
      const { sessions } = progress;
      most = Math.max(most, sessions);
      // Without a session there is nothing that could grow: the bar is full.
      const total = Math.max(1, most);
      const payload = { words: words(progress) };
      if (!started) bar.start(total, total - sessions, payload);
      else {
        bar.setTotal(total);
        bar.update(total - sessions, payload);
      }
      started = true;
    },
    stop: () => bar.stop(),
  };
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

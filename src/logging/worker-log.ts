import { createLogger, type LeveledLogger, type LineSink, type Logger, type LogLevel } from './logger.ts';

/** Characters of a batch; a worker that is not drained drops lines beyond it. */
const LONGEST_BATCH = 8 * 2 ** 20;

/**
 * The log of a worker thread: finished lines gather here and travel to the supervisor in one string, with the worker's
 * batch. The access log writes to it too.
 */
export class WorkerLog implements LineSink {
  readonly logger: Logger;
  readonly #leveled: LeveledLogger;
  #batch = '';
  #lost = 0;

  /** @param worker its number, a member of each line that `logger` writes */
  constructor(level: LogLevel, worker: number) {
    this.#leveled = createLogger(level, this, { worker });
    this.logger = this.#leveled;
  }

  /** Least severe lines that are written from here on. */
  set level(level: LogLevel) {
    this.#leveled.level = level;
  }

  /** Adds finished lines, each with its line end. */
  write(lines: string): void {
    if (this.#batch.length + lines.length > LONGEST_BATCH) this.#lost++;
    else this.#batch += lines;
  }

  /** The lines since the last call; empty when there are none. */
  drain(): string {
    const lines = this.#batch;
    this.#batch = '';
    if (this.#lost > 0) {
      const lost = this.#lost;
      this.#lost = 0;
      // Into the next batch: this one is full.
      this.logger.warn({ lines: lost }, 'log lines were lost');
    }
    return lines;
  }
}

import { fitLine } from './fit-line.ts';

/** Another screen, no cursor; and back. What was on the terminal is there again at the end. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_REST = '\u001b[J';

/** The terminal's size when it does not say. */
const ROWS = 24;
const COLUMNS = 80;

/** `process.stdin`, as far as keys go. */
interface KeySource {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (keys: Buffer) => void): unknown;
  off(event: 'data', listener: (keys: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** `process.stdout`, as far as a screen goes. */
interface ScreenTarget {
  readonly rows?: number;
  readonly columns?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** A terminal that one view has to itself until `leave`, which has to be called in any case. */
export class TerminalScreen {
  readonly #out: ScreenTarget;
  readonly #keys: KeySource;
  readonly #onResize: () => void;
  readonly #onData: (keys: Buffer) => void;
  #open = true;

  /**
   * @param onKey called with each key, such as `q`; Ctrl-C is `\u0003` where the keyboard is ours, and a signal
   * otherwise
   */
  constructor(out: ScreenTarget, keys: KeySource, onKey: (key: string) => void, onResize: () => void) {
    this.#out = out;
    this.#keys = keys;
    this.#onResize = onResize;
    this.#onData = (data) => {
      for (const key of data.toString('utf8')) onKey(key);
    };
    out.write(ENTER);
    out.on('resize', onResize);
    if (keys.isTTY !== true) return;
    keys.setRawMode?.(true);
    keys.on('data', this.#onData);
    keys.resume();
  }

  get rows(): number {
    return this.#out.rows || ROWS;
  }

  get columns(): number {
    return this.#out.columns || COLUMNS;
  }

  /** Shows these lines and nothing else; what is too long or too much is cut. */
  draw(lines: readonly string[]): void {
    if (!this.#open) return;
    const { rows, columns } = this;
    const shown = lines.slice(0, rows).map((line) => `${fitLine(line, columns)}${CLEAR_LINE}`);
    // No line end after the last one: it would scroll a full screen.
    this.#out.write(`${HOME}${shown.join('\r\n')}${CLEAR_REST}`);
  }

  /** Gives the terminal back as it was; a second call does nothing. */
  leave(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#out.off('resize', this.#onResize);
    this.#out.write(LEAVE);
    if (this.#keys.isTTY !== true) return;
    this.#keys.off('data', this.#onData);
    this.#keys.setRawMode?.(false);
    this.#keys.pause();
  }
}

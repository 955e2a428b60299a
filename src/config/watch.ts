import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';

/** Times of a `watchFile`, in ms. */
export interface WatchOptions {
  /** So long nothing has happened to the file before it is read: who writes it may not be done. */
  readonly debounce?: number;
  /** Time between two looks at the file that need no word from the system. */
  readonly poll?: number;
}

/**
 * Calls `onChange` when the bytes of a file have become others, from the call on. Whoever replaces it may write into
 * it, rename another over it, delete it and make it again, or turn a symbolic link on its path, as Kubernetes does with
 * a ConfigMap. A file that is gone or cannot be read is no change. Does not keep the process alive, and throws nothing.
 *
 * The system's word (fs.watch) makes it quick. Looking at the file now and then makes it sure: there is no word from a
 * network file system, from behind a link, from a directory that was made anew, or when the system has no watch left to
 * give.
 */
export function watchFile(file: string, onChange: () => void, options: WatchOptions = {}): { close(): void } {
  const watcher = new FileWatcher(resolve(file), onChange, options.debounce ?? 200, options.poll ?? 2000);
  return { close: () => watcher.close() };
}

class FileWatcher {
  readonly #file: string;
  readonly #onChange: () => void;
  readonly #debounce: number;
  readonly #poll: number;
  /** Of the bytes that `onChange` was called for; null: there have been none. */
  #hash: string | null = null;
  /** What the file looked like from outside; null: it was not there. */
  #look: string | null = null;
  #watcher: FSWatcher | null = null;
  /** The directory that is watched, which may be another one under the same name by now. */
  #watched = '';
  #settling: NodeJS.Timeout | undefined;
  /** When the first of the changes came that `#settling` waits for. */
  #restlessSince = 0;
  #reading = false;
  #pollTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(file: string, onChange: () => void, debounce: number, poll: number) {
    this.#file = file;
    this.#onChange = onChange;
    this.#debounce = debounce;
    this.#poll = poll;
    try {
      this.#watch(idOf(statSync(dirname(file), { bigint: true })));
      this.#look = lookOf(statSync(file, { bigint: true }));
      this.#hash = hashOf(readFileSync(file));
    } catch {
      // Not there: it is new when it comes.
    }
    this.#schedulePoll();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#settling);
    clearTimeout(this.#pollTimer);
    this.#watcher?.close();
  }

  /** Watches the directory, since a watch on the file itself goes away with the file that is replaced. */
  #watch(directory: string): void {
    this.#watcher?.close();
    this.#watcher = null;
    const name = basename(this.#file);
    try {
      const watcher = watch(dirname(this.#file), { persistent: false }, (_event, changed) => {
        // A ConfigMap turns the link ..data, and the file is a link through it.
        if (changed === null || changed === name || changed.startsWith('..')) this.#touched();
      });
      watcher.on('error', () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = null;
      });
      this.#watcher = watcher;
      this.#watched = directory;
    } catch {
      // No directory, or no watch left: the polls go on.
    }
  }

  #schedulePoll(): void {
    if (this.#closed) return;
    this.#pollTimer = setTimeout(() => void this.#pollOnce(), this.#poll).unref();
  }

  async #pollOnce(): Promise<void> {
    const directory = await stat(dirname(this.#file), { bigint: true }).then(idOf, () => null);
    const look = await stat(this.#file, { bigint: true }).then(lookOf, () => null);
    if (this.#closed) return;
    if (directory !== null && (this.#watcher === null || directory !== this.#watched)) this.#watch(directory);
    if (look !== this.#look) this.#touched();
    this.#look = look;
    this.#schedulePoll();
  }

  #touched(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#settling === undefined) this.#restlessSince = now;
    // Who writes without end must not keep it from being read.
    else if (now - this.#restlessSince > 10 * this.#debounce) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      void this.#read();
    }, this.#debounce).unref();
  }

  async #read(): Promise<void> {
    if (this.#reading) {
      this.#touched();
      return;
    }
    this.#reading = true;
    const hash = await readFile(this.#file).then(hashOf, () => null);
    this.#reading = false;
    if (this.#closed || hash === null || hash === this.#hash) return;
    this.#hash = hash;
    this.#onChange();
  }
}

interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

function idOf({ dev, ino }: Identity): string {
  return `${dev}:${ino}`;
}

function lookOf(
  stats: Identity & { readonly size: bigint; readonly mtimeNs: bigint; readonly ctimeNs: bigint },
): string {
  return `${idOf(stats)}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}

/**
 * The memory of this thread that bytes come into and leave from. All of it is one piece, so that WebAssembly can look
 * at it (`http1/ordinary-lines.ts`) and the system can be told where it lies (`sockets/transfers.ts`).
 *
 * Each read is dealt with before the next one, and each write is tried before the next one is put together: all
 * connections share it, and an idle one holds none.
 */

declare global {
  interface Buffer {
    /** Undocumented, unchanged since Node 0.x: `toString('latin1')` without its argument checks. */
    latin1Slice(start?: number, end?: number): string;
    /** The same of `write(text, start, size, 'latin1')`. */
    latin1Write(text: string, start: number, size: number): number;
  }
  /** The part that is used of it: Node's types leave it to those of browsers. */
  namespace WebAssembly {
    class Memory {
      constructor(size: { initial: number; maximum: number });
      readonly buffer: ArrayBuffer;
    }
    class Module {
      constructor(bytes: Buffer);
    }
    class Instance {
      constructor(module: Module, imports: Record<string, Record<string, Memory>>);
      readonly exports: Record<string, (...args: number[]) => number>;
    }
  }
}

/** Size of each buffer below, bytes: what is read, or put together to be written, at once. */
export const TRANSFER_BYTES = 65_536;

const PAGE = 65_536;
/** 1.5 MiB, of which the system provides what is used. */
const PAGES = 24;
/** Between one piece and the next: whoever looks at several bytes at once may look that far beyond. */
const MARGIN = 64;

/** Null: this Node has no WebAssembly, which `--jitless` takes away. */
export const memory: WebAssembly.Memory | null =
  typeof WebAssembly === 'undefined' ? null : new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
const buffer = memory?.buffer ?? new ArrayBuffer(PAGES * PAGE);

let used = MARGIN;

/** Gives a piece of the memory away for good: its address. Null: there is not so much left. @param size bytes */
export function allocate(size: number): number | null {
  const at = used;
  if (at + size + MARGIN > PAGES * PAGE) return null;
  used = (at + size + MARGIN + 63) & ~63;
  return at;
}

/** The bytes of a piece. */
export function bytesAt(address: number, size: number): Buffer {
  return Buffer.from(buffer, address, size);
}

/** The 32-bit numbers of a piece. */
export function wordsAt(address: number, count: number): Int32Array {
  return new Int32Array(buffer, address, count);
}

export const incomingAt: number = allocate(TRANSFER_BYTES)!;
/** What connections read into. */
export const incoming: Buffer = bytesAt(incomingAt, TRANSFER_BYTES);
/** What is to be written is put together here. */
export const outgoing: Buffer = bytesAt(allocate(TRANSFER_BYTES)!, TRANSFER_BYTES);

import { allocate, bytesAt, incoming, incomingAt, memory, TRANSFER_BYTES, wordsAt } from '../bytes/memory.ts';
import { KnownNames } from './known-names.ts';
import { LINES_WASM } from './lines-wasm.ts';

/** See lines.wat. */
type Read = (at: number, end: number, base: number, out: number, limit: number, entry: number, state: number) => number;

/** Compiled when the first block needs it; null where there is no WebAssembly, or a processor without its SIMD. */
let read: Read | null | undefined;

function load(): Read | null {
  if (memory === null) return null;
  try {
    const module = new WebAssembly.Module(Buffer.from(LINES_WASM, 'base64'));
    return new WebAssembly.Instance(module, { limpet: { memory } }).exports.read as Read;
  } catch {
    return null;
  }
}

const STATE_WORDS = 2;
const stateAt = allocate(STATE_WORDS * 4)!;
const state = wordsAt(stateAt, STATE_WORDS);
/** A copy of bytes that are not in the memory, for as long as they are read. */
const foreignAt = allocate(TRANSFER_BYTES)!;
const foreign = bytesAt(foreignAt, TRANSFER_BYTES);

/** Reads field lines for one FieldBlock, which is where they are explained. */
export class OrdinaryLines {
  readonly names: KnownNames;
  /** Where their offsets go: `stride` numbers each. */
  readonly lines: Int32Array;
  /** Lines that are there. */
  count = 0;
  readonly #stride: number;
  readonly #linesAt: number;
  readonly #limit: number;
  /** Address of the first byte. */
  #shift = 0;
  #base = 0;
  #end = 0;

  /** Null: not to be had, or there is no memory left for it. */
  static make(most: number, stride: number): OrdinaryLines | null {
    if (read === undefined) read = load();
    if (read === null) return null;
    const names = KnownNames.make();
    const linesAt = allocate(most * stride * 4);
    return names === null || linesAt === null ? null : new OrdinaryLines(names, linesAt, most, stride);
  }

  private constructor(names: KnownNames, linesAt: number, most: number, stride: number) {
    this.names = names;
    this.lines = wordsAt(linesAt, most * stride);
    this.#stride = stride;
    this.#linesAt = linesAt;
    this.#limit = linesAt + most * stride * 4;
  }

  /**
   * Begins with bytes[at, end). False: they are too many to be read here. @param base what the offsets of lines are
   * counted from
   */
  begin(bytes: Buffer, base: number, at: number, end: number): boolean {
    if (bytes === incoming) this.#shift = incomingAt;
    else {
      if (end - at > TRANSFER_BYTES) return false;
      bytes.copy(foreign, 0, at, end);
      this.#shift = foreignAt - at;
    }
    this.#base = base + this.#shift;
    this.#end = end + this.#shift;
    this.names.last = this.names.none;
    return true;
  }

  /**
   * Reads lines from bytes[at) on, the first of which will be line `count`. Returns the offset of the line that is not
   * ordinary.
   */
  read(at: number, count: number): number {
    const { names } = this;
    const out = this.#linesAt + count * this.#stride * 4;
    const stopped = read!(at + this.#shift, this.#end, this.#base, out, this.#limit, names.last, stateAt);
    this.count = (state[0]! - this.#linesAt) / (this.#stride * 4);
    names.last = state[1]!;
    return stopped - this.#shift;
  }
}

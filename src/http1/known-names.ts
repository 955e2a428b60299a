import { allocate, wordsAt } from '../bytes/memory.ts';

/** Words of a name that is kept: 48 bytes. Longer ones are read byte by byte each time. */
const NAME_WORDS = 12;
/**
 * 32-bit numbers for each name: length, hash, id, address of the name that followed it last time, then the name itself.
 */
const ENTRY = 16;
const LENGTH = 0;
const HASH = 1;
const ID = 2;
const NEXT = 3;
const WORDS = 4;
const ENTRIES = 1_024;

/**
 * Names of fields that were read a moment ago, byte for byte, each with the one that came behind it: whoever sends a
 * field sends the same ones before and after it most of the time. A name that is where it is expected is compared 16
 * bytes at a time, and needs neither check nor hash (lines.wat). Nothing is taken for another name: an entry is a name
 * that was found valid, and every byte of it counts.
 */
export class KnownNames {
  /** Address of the entry of no name, which comes before the first line of a block. */
  readonly none: number;
  /** Address of the entry of the name found last. */
  last: number;
  readonly #entries: Int32Array;

  /** Null: there is no memory left for it. */
  static make(): KnownNames | null {
    const at = allocate(ENTRIES * ENTRY * 4);
    return at === null ? null : new KnownNames(at);
  }

  private constructor(address: number) {
    this.none = address;
    this.last = address;
    this.#entries = wordsAt(address, ENTRIES * ENTRY);
    // Nothing is known to come first: the entry of no name has length 0, which is expected nowhere.
    for (let entry = 0; entry < ENTRIES; entry++) this.#entries[entry * ENTRY + NEXT] = address;
  }

  /** A valid name that was not expected stands at bytes[start, end). */
  note(bytes: Uint8Array, start: number, end: number, hash: number, id: number): void {
    const length = end - start;
    const entries = this.#entries;
    const entry = length > NAME_WORDS * 4 ? 0 : placeOf(hash) * ENTRY;
    const address = this.none + entry * 4;
    entries[((this.last - this.none) >> 2) + NEXT] = address;
    this.last = address;
    if (entry === 0) return;
    entries[entry + LENGTH] = length;
    entries[entry + HASH] = hash;
    entries[entry + ID] = id;
    for (let k = 0; k < length; k += 4) {
      let word = 0;
      for (let b = 0; b < 4 && k + b < length; b++) word |= bytes[start + k + b]! << (8 * b);
      entries[entry + WORDS + (k >> 2)] = word;
    }
  }
}

/** Place of a name with this hash, whose lowest bits are those of its last letters: from 1 on. */
function placeOf(hash: number): number {
  return 1 + ((Math.imul(hash, 0x9e3779b1) >>> 1) % (ENTRIES - 1));
}

/** Words of a name that is kept: 48 bytes. Longer ones are read byte by byte each time. */
const NAME_WORDS = 12;
/** Int32 entries for each name: length, hash, id, place of the name that followed it last time, then the name itself, four bytes a word. */
const ENTRY = 16;
const LENGTH = 0;
const HASH = 1;
const ID = 2;
const NEXT = 3;
const WORDS = 4;
const ENTRIES = 1_024;
/** The bytes of a word that belong to a name of which so many are left, the first byte in the lowest place. */
const MASK = Int32Array.of(0, 0xff, 0xffff, 0xffffff);

/**
 * Names of fields that were read a moment ago, byte for byte, each with the one that came behind it: whoever sends a field sends the
 * same ones before and after it most of the time. A name that is where it is expected is compared four bytes at a time, and needs
 * neither check nor hash. Nothing is taken for another name: an entry is a name that was found valid, and every byte of it counts.
 */
export class KnownNames {
  readonly #entries = new Int32Array(ENTRIES * ENTRY);
  /** Index into the entries of the name found last; before the first line of a block that of no name. */
  #last = 0;

  /** A new block begins. */
  begin(): void {
    // What came first last time hangs on the entry of the empty name.
    this.#last = 0;
  }

  /**
   * The length of the name that begins at `at` and ends before a colon, if it is the one that is expected here; 0: it is another one.
   * @param words a view of all of the buffer; `end` where its content ends
   */
  expect(words: DataView, at: number, end: number): number {
    const entries = this.#entries;
    const entry = entries[this.#last + NEXT]!;
    const length = entries[entry + LENGTH]!;
    // The last word may reach beyond the content, not beyond the buffer.
    if (length === 0 || at + length >= end || at + length + 4 > words.byteLength) return 0;
    if (words.getUint8(at + length) !== 0x3a) return 0;
    let place = entry + WORDS;
    let p = at;
    for (const whole = at + (length & ~3); p < whole; p += 4) {
      if (words.getInt32(p, true) !== entries[place]!) return 0;
      place++;
    }
    if ((length & 3) !== 0 && ((words.getInt32(p, true) ^ entries[place]!) & MASK[length & 3]!) !== 0) return 0;
    this.#last = entry;
    return length;
  }

  /** HeaderId of the name that `expect` has found, or that was noted last. */
  get id(): number {
    return this.#entries[this.#last + ID]!;
  }

  get hash(): number {
    return this.#entries[this.#last + HASH]!;
  }

  /** A valid name that was not expected stands at bytes[start, end). */
  note(bytes: Uint8Array, start: number, end: number, hash: number, id: number): void {
    const length = end - start;
    const entries = this.#entries;
    // 0 is the empty name, which comes before the first.
    const entry = length > NAME_WORDS * 4 ? 0 : placeOf(hash) * ENTRY;
    entries[this.#last + NEXT] = entry;
    this.#last = entry;
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

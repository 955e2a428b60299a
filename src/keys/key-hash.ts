import { hkdfSync } from 'node:crypto';
import type { Key } from './key.ts';

/**
 * SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, "SipHash: a fast short-input PRF", and its 128-bit
 * reference code): turns what a client sent into a Key, under a secret, so that nobody outside can choose keys that
 * collide or fill one bucket (behaviour 22).
 *
 * Text is hashed as its code units of one byte each. Text with a code unit above 0xff is hashed as UTF-16LE under a
 * second secret made from the first, so that no two different texts are the same input. Hashing allocates nothing, save
 * for such wide text, which no header has.
 */
export class KeyHash {
  readonly #k0: number;
  readonly #k1: number;
  readonly #k2: number;
  readonly #k3: number;
  #wide: KeyHash | null = null;

  /** @throws RangeError when the secret has not exactly 16 bytes. */
  constructor(secret16: Uint8Array) {
    if (secret16.byteLength !== 16) {
      throw new RangeError(
        `a key hash needs a secret of 16 bytes, not ${secret16.byteLength}; KeyHash.derive makes one from any longer secret`,
      );
    }
    const view = new DataView(secret16.buffer, secret16.byteOffset, 16);
    this.#k0 = view.getInt32(0, true);
    this.#k1 = view.getInt32(4, true);
    this.#k2 = view.getInt32(8, true);
    this.#k3 = view.getInt32(12, true);
  }

  /**
   * A hash of its own for each list of labels (say, pool and key source), from one secret of at least 16 bytes, by HKDF
   * with SHA-256 (RFC 5869). Each label carries its length, so `('ab', 'c')` and `('a', 'bc')` differ.
   * @throws RangeError when the secret is shorter: a guessable secret would make the keys guessable.
   */
  static derive(secret: Uint8Array, ...labels: string[]): KeyHash {
    if (secret.byteLength < 16) {
      throw new RangeError(
        `a secret of ${secret.byteLength} bytes is too short to hash session keys with: 16 bytes or more are needed`,
      );
    }
    const info: Buffer[] = [];
    for (const label of labels) {
      const bytes = Buffer.from(label, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      info.push(length, bytes);
    }
    return new KeyHash(new Uint8Array(hkdfSync('sha256', secret, 'limpet session key', Buffer.concat(info), 16)));
  }

  /**
   * Writes the hash of `text[start, end)` into `key`; never the all-zero key, which marks an empty row.
   * @throws RangeError when the range does not lie in the text.
   */
  hash(text: string, start: number, end: number, key: Key): void {
    if (!(start >= 0 && start <= end && end <= text.length)) {
      throw new RangeError(`range ${start}..${end} does not lie in a text of ${text.length} code units`);
    }
    if (this.#sip(text, start, end, key) > 0xff) this.#hashWide(text.slice(start, end), key);
    if (key.isZero()) key.d = 1;
  }

  #hashWide(text: string, key: Key): void {
    if (this.#wide === null) {
      const label = 'limpet UTF-16';
      this.#sip(label, 0, label.length, key);
      const secret = new DataView(new ArrayBuffer(16));
      secret.setInt32(0, key.a, true);
      secret.setInt32(4, key.b, true);
      secret.setInt32(8, key.c, true);
      secret.setInt32(12, key.d, true);
      this.#wide = new KeyHash(new Uint8Array(secret.buffer));
    }
    const bytes = Buffer.from(text, 'utf16le').latin1Slice();
    this.#wide.#sip(bytes, 0, bytes.length, key);
  }

  /**
   * Answers all code units ORed together: above 0xff, the hash written is worthless.
   *
   * A 64-bit word is two 32-bit halves, `l` low and `h` high. The carry of an addition is the truth value of a
   * comparison, turned into a number by `+`: V8 makes that a flag and no branch. `? 1 : 0` becomes a branch,
   * mispredicted half of the time: measured, all in all three times as slow. The round stands in one place, in a loop
   * over message words and finalizations alike, so that there is one round to read.
   */
  #sip(text: string, start: number, end: number, key: Key): number {
    const length = end - start;
    const blocks = length >>> 3;
    let v0l = this.#k0 ^ 0x70736575;
    let v0h = this.#k1 ^ 0x736f6d65;
    let v1l = this.#k2 ^ 0x6e646f6d ^ 0xee;
    let v1h = this.#k3 ^ 0x646f7261;
    let v2l = this.#k0 ^ 0x6e657261;
    let v2h = this.#k1 ^ 0x6c796765;
    let v3l = this.#k2 ^ 0x79746573;
    let v3h = this.#k3 ^ 0x74656462;
    let seen = 0;
    let at = start;
    for (let step = 0; ; step++) {
      let ml = 0;
      let mh = 0;
      let rounds = 2;
      if (step < blocks) {
        const c0 = text.charCodeAt(at);
        const c1 = text.charCodeAt(at + 1);
        const c2 = text.charCodeAt(at + 2);
        const c3 = text.charCodeAt(at + 3);
        const c4 = text.charCodeAt(at + 4);
        const c5 = text.charCodeAt(at + 5);
        const c6 = text.charCodeAt(at + 6);
        const c7 = text.charCodeAt(at + 7);
        seen |= c0 | c1 | c2 | c3 | c4 | c5 | c6 | c7;
        ml = c0 | (c1 << 8) | (c2 << 16) | (c3 << 24);
        mh = c4 | (c5 << 8) | (c6 << 16) | (c7 << 24);
        at += 8;
      } else if (step === blocks) {
        mh = length << 24;
        for (let shift = 0; at < end; at++, shift += 8) {
          const c = text.charCodeAt(at);
          seen |= c;
          if (shift < 32) ml |= c << shift;
          else mh |= c << (shift - 32);
        }
      } else {
        rounds = 4;
      }
      v3l ^= ml;
      v3h ^= mh;
      for (let round = 0; round < rounds; round++) {
        let sum = (v0l + v1l) | 0;
        v0h = (v0h + v1h + +(sum >>> 0 < v1l >>> 0)) | 0;
        v0l = sum;
        let turned = (v1l << 13) | (v1h >>> 19);
        v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
        v1l = turned ^ v0l;
        turned = v0l;
        v0l = v0h;
        v0h = turned;
        sum = (v2l + v3l) | 0;
        v2h = (v2h + v3h + +(sum >>> 0 < v3l >>> 0)) | 0;
        v2l = sum;
        turned = (v3l << 16) | (v3h >>> 16);
        v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
        v3l = turned ^ v2l;
        sum = (v0l + v3l) | 0;
        v0h = (v0h + v3h + +(sum >>> 0 < v3l >>> 0)) | 0;
        v0l = sum;
        turned = (v3l << 21) | (v3h >>> 11);
        v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
        v3l = turned ^ v0l;
        sum = (v2l + v1l) | 0;
        v2h = (v2h + v1h + +(sum >>> 0 < v1l >>> 0)) | 0;
        v2l = sum;
        turned = (v1l << 17) | (v1h >>> 15);
        v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
        v1l = turned ^ v2l;
        turned = v2l;
        v2l = v2h;
        v2h = turned;
      }
      v0l ^= ml;
      v0h ^= mh;
      if (step < blocks) continue;
      if (step === blocks) {
        v2l ^= 0xee;
      } else if (step === blocks + 1) {
        key.a = v0l ^ v1l ^ v2l ^ v3l;
        key.b = v0h ^ v1h ^ v2h ^ v3h;
        v1l ^= 0xdd;
      } else {
        key.c = v0l ^ v1l ^ v2l ^ v3l;
        key.d = v0h ^ v1h ^ v2h ^ v3h;
        return seen;
      }
    }
  }
}

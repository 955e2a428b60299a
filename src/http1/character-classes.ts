/** `!#$%&'*+-.^_`|~`, digits and letters (RFC 9110 section 5.6.2). */
const TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/**
 * Tables of 256 entries for classes of bytes, made once by each module that reads bytes:
 * the compiler folds a table into the code only where it is a constant of the module itself.
 */
export const characterClass = {
  /** Lower case of a token character, 0 for all other bytes. */
  token(): Uint8Array {
    const table = new Uint8Array(256);
    for (const c of TOKEN) table[c.charCodeAt(0)] = c.toLowerCase().charCodeAt(0);
    return table;
  },

  /** 1 for HTAB, SP, VCHAR and obs-text: what may stand in a field value or a reason phrase (RFC 9110 section 5.5). */
  fieldValue(): Uint8Array {
    const table = new Uint8Array(256);
    table[9] = 1;
    for (let b = 0x20; b < 0x100; b++) table[b] = b === 0x7f ? 0 : 1;
    return table;
  },

  /**
   * 1 for what may stand in a request target: visible ASCII without `#`. Nothing above ASCII (RFC 9112 section 3.2).
   */
  target(): Uint8Array {
    const table = new Uint8Array(256);
    for (let b = 0x21; b < 0x7f; b++) table[b] = b === 0x23 ? 0 : 1;
    return table;
  },

  /** Value of a hexadecimal digit, -1 for all other bytes. */
  hex(): Int8Array {
    const table = new Int8Array(256).fill(-1);
    for (let i = 0; i < 16; i++) {
      const digit = i.toString(16);
      table[digit.charCodeAt(0)] = i;
      table[digit.toUpperCase().charCodeAt(0)] = i;
    }
    return table;
  },
} as const;

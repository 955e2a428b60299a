/**
 * Where things stand in a bucket of the session table, in 32-bit words. A bucket is 8 rows of 64 bytes, 512 bytes in
 * all:
 *
 *     word 0..7     first word of the key of row 0..7
 *     word 8..15    state of row 0..7: flags u8 | by u8 << 8 | pool u16 << 16; zero: the row is free
 *     word 16..127  the other 14 words of each row, in turn
 *
 * The first 64 bytes tell which row may hold a key: one cache line to read in each bucket, not eight.
 */
export const BUCKET_ROWS = 8;
export const BUCKET_WORDS = 128;
/** From a row's first key word to its state. */
export const STATE = 8;
/** From the bucket to the body of its first row. */
const BODY = 16;
/** From one body to the next; even, so that the doubles in it stay aligned. */
const BODY_WORDS = 14;

/** Words of a row's body. */
export const KEY_B = 0;
export const KEY_C = 1;
export const KEY_D = 2;
/**
 * backend slot u16 | stamp of the backend's life u16 << 16 (see BackendLife): one word, so that no reader ever sees the
 * one without the other.
 */
export const BINDING = 3;
/** u32, saturating. */
export const REQUESTS = 4;
/** See `encodeIssued`. */
export const ISSUED = 5;
/** Two words: double, ms since epoch. */
export const CREATED = 6;
/** Two words: double, ms since epoch; of a tombstone, the time until which it stands. */
export const LAST_SEEN = 8;
/**
 * Where it was moved from: backend slot + 1 as u16, zero: nowhere | reason, 4 bits << 16 | MOVE_TOLD | low 3 bits of
 * the stamp of that backend's life << 21 | moves u8 << 24.
 */
export const MOVED = 10;
/** What the session is bound to besides its backend: 32-bit hash. Zero: nothing. */
export const BINDING_HASH = 11;
/** Whose session it is: two words, 64-bit hash. Both zero: not known. */
export const USER_HASH = 12;

/** In MOVED: the application has been told; the place is kept so that the session can go back there. */
export const MOVE_TOLD = 1 << 20;
/** In MOVED: all but the number of moves. */
export const MOVE_NOTICE = 0x00ffffff;

/** Words of a tombstone with the flag ROTATED: the four of the successor's key, and when that was, a double. */
export const SUCCESSOR_A = REQUESTS;
export const SUCCESSOR_B = ISSUED;
export const SUCCESSOR_C = MOVED;
export const SUCCESSOR_D = BINDING_HASH;
export const ROTATED_AT = USER_HASH;

/**
 * Words of a row with the flag JOINED: the four of the session's key. The row keeps the backend, beginning and binding
 * that the session had when it was joined.
 */
export const JOINED_A = REQUESTS;
export const JOINED_B = ISSUED;
export const JOINED_C = USER_HASH;
export const JOINED_D = USER_HASH + 1;

/** `by` of keys that limpet makes itself: what has ended under one must not come back. */
export const MINTED = 0;

/** Flags of a state. Exactly one of LIVE, ENDED and JOINED in a row that is not free. */
export const LIVE = 1;
export const ENDED = 2;
/** With LIVE: no backend has answered yet. */
export const PROVISIONAL = 4;
/** With LIVE: claimed here, and the store that nodes share has not said yet who has it. */
export const PENDING = 8;
/** With ENDED: the session goes on under another key, see SUCCESSOR_A. */
export const ROTATED = 16;
/** With PROVISIONAL: it was claimed in this process, and begins here when a backend answers it. */
export const CLAIMED = 32;
/** Another name of a session, see JOINED_A: no session of its own, and counted nowhere. */
export const JOINED = 64;

const COARSE = 0x80000000;

/**
 * When a cookie was sent, `elapsed` ms after the session began, as one word: zero is never; below 2^31 it is ms + 1;
 * from there on seconds with the top bit set. A plain count of ms would be full after 49 days, and the cookie of a
 * session older than that would be sent again with every response.
 */
export function encodeIssued(elapsed: number): number {
  if (!(elapsed > 0)) return 1;
  if (elapsed < COARSE - 1) return Math.floor(elapsed) + 1;
  return Math.min(COARSE + Math.floor(elapsed / 1000), 0xffffffff);
}

/** The inverse: ms since the session began, or -1 for never. */
export function decodeIssued(word: number): number {
  const value = word >>> 0;
  return value < COARSE ? value - 1 : (value - COARSE) * 1000;
}

/** Word of a row's key tag and, STATE further, its state. `rows` is where the first bucket begins. */
export function tagOf(rows: number, row: number): number {
  return rows + (row >>> 3) * BUCKET_WORDS + (row & 7);
}

/** First word of a row's body. */
export function bodyOf(rows: number, row: number): number {
  return rows + (row >>> 3) * BUCKET_WORDS + BODY + (row & 7) * BODY_WORDS;
}

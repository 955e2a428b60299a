import { characterClass } from './character-classes.ts';

/** Where in the extensions of a chunk size line the reader is. `end` follows the CR, `bad` a byte that may not stand there. */
export const ChunkExtension = {
  bad: 0,
  end: 1,
  /** Behind a semicolon. */
  name: 2,
  nameRest: 3,
  /** Behind an equals sign. */
  value: 4,
  token: 5,
  quoted: 6,
  escaped: 7,
  /** Behind the closing quote. */
  closed: 8,
} as const;

const TOKEN = characterClass.token();
const VALUE = characterClass.fieldValue();

const CR = 13;
const QUOTE = 0x22;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/**
 * One step through `*( ";" name [ "=" ( token / quoted-string ) ] ) CR` (RFC 9112 section 7.1.1), from ChunkExtension.name on.
 * White space is refused: it is bad white space, which nothing sends and which servers read differently.
 */
export function nextInExtension(state: number, byte: number): number {
  switch (state) {
    case ChunkExtension.name:
      return TOKEN[byte] === 0 ? ChunkExtension.bad : ChunkExtension.nameRest;
    case ChunkExtension.nameRest:
      if (byte === EQUALS) return ChunkExtension.value;
      return TOKEN[byte] === 0 ? behindValue(byte) : ChunkExtension.nameRest;
    case ChunkExtension.value:
      if (byte === QUOTE) return ChunkExtension.quoted;
      return TOKEN[byte] === 0 ? ChunkExtension.bad : ChunkExtension.token;
    case ChunkExtension.token:
      return TOKEN[byte] === 0 ? behindValue(byte) : ChunkExtension.token;
    case ChunkExtension.quoted:
      if (byte === QUOTE) return ChunkExtension.closed;
      if (byte === BACKSLASH) return ChunkExtension.escaped;
      return VALUE[byte] === 1 ? ChunkExtension.quoted : ChunkExtension.bad;
    case ChunkExtension.escaped:
      return VALUE[byte] === 1 ? ChunkExtension.quoted : ChunkExtension.bad;
    case ChunkExtension.closed:
      return behindValue(byte);
    default:
      return ChunkExtension.bad;
  }
}

function behindValue(byte: number): number {
  if (byte === CR) return ChunkExtension.end;
  return byte === SEMICOLON ? ChunkExtension.name : ChunkExtension.bad;
}

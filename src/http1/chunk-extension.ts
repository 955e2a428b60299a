import { characterClass } from './character-classes.ts';

/**
 * Where in the extensions of a chunk size line the reader is. `end` follows the CR, `bad` a byte that may not stand
 * there.
 */
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
  /** White space behind a name. */
  nameEnd: 9,
  /** White space behind a value. */
  valueEnd: 10,
} as const;

const TOKEN = characterClass.token();
const VALUE = characterClass.fieldValue();

const CR = 13;
const QUOTE = 0x22;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/**
 * One step through `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) CR` (RFC 9112 section 7.1.1), from
 * ChunkExtension.name on. Bad white space is where it may be, and nowhere else; it goes no further than limpet.
 */
export function nextInExtension(state: number, byte: number): number {
  switch (state) {
    case ChunkExtension.name:
      if (isSpace(byte)) return ChunkExtension.name;
      return TOKEN[byte] === 0 ? ChunkExtension.bad : ChunkExtension.nameRest;
    case ChunkExtension.nameRest:
      if (byte === EQUALS) return ChunkExtension.value;
      if (isSpace(byte)) return ChunkExtension.nameEnd;
      return TOKEN[byte] === 0 ? behindValue(byte) : ChunkExtension.nameRest;
    case ChunkExtension.nameEnd:
      if (byte === EQUALS) return ChunkExtension.value;
      return behindSpace(byte, ChunkExtension.nameEnd);
    case ChunkExtension.value:
      if (isSpace(byte)) return ChunkExtension.value;
      if (byte === QUOTE) return ChunkExtension.quoted;
      return TOKEN[byte] === 0 ? ChunkExtension.bad : ChunkExtension.token;
    case ChunkExtension.token:
      if (isSpace(byte)) return ChunkExtension.valueEnd;
      return TOKEN[byte] === 0 ? behindValue(byte) : ChunkExtension.token;
    case ChunkExtension.quoted:
      if (byte === QUOTE) return ChunkExtension.closed;
      if (byte === BACKSLASH) return ChunkExtension.escaped;
      return VALUE[byte] === 1 ? ChunkExtension.quoted : ChunkExtension.bad;
    case ChunkExtension.escaped:
      return VALUE[byte] === 1 ? ChunkExtension.quoted : ChunkExtension.bad;
    case ChunkExtension.closed:
      return isSpace(byte) ? ChunkExtension.valueEnd : behindValue(byte);
    case ChunkExtension.valueEnd:
      return behindSpace(byte, ChunkExtension.valueEnd);
    default:
      return ChunkExtension.bad;
  }
}

function behindValue(byte: number): number {
  if (byte === CR) return ChunkExtension.end;
  return byte === SEMICOLON ? ChunkExtension.name : ChunkExtension.bad;
}

/** White space is followed by more of it or by another extension, and never by the end of the line. */
function behindSpace(byte: number, state: number): number {
  if (isSpace(byte)) return state;
  return byte === SEMICOLON ? ChunkExtension.name : ChunkExtension.bad;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

/** What a `traceparent` field says (W3C Trace Context, section 3.2). */
export interface Traceparent {
  /** 32 hexadecimal digits in lower case, not all zero. */
  readonly traceId: string;
  /** Span that sent the request: 16 such digits, not all zero. */
  readonly parentId: string;
  /** Bit 0: sampled. Bit 1: the trace id is random (level 2). */
  readonly flags: number;
}

/** Length of version 00, and the least of any later one. */
const LENGTH = 55;
const DASH = 0x2d;

/**
 * Reads the value of a `traceparent` field. A later version is read as far as version 00 goes; `ff`, capitals, ids of
 * nothing but zeros and anything behind version 00 are invalid.
 * @returns null: it is not valid, and the trace that it belongs to is not known
 */
export function parseTraceparent(value: string): Traceparent | null {
  if (value.length < LENGTH) return null;
  const version = hexByte(value, 0);
  if (version < 0 || version === 0xff) return null;
  if (value.length > LENGTH && (version === 0 || value.charCodeAt(LENGTH) !== DASH)) return null;
  if (value.charCodeAt(2) !== DASH || value.charCodeAt(35) !== DASH || value.charCodeAt(52) !== DASH) return null;
  if (!isId(value, 3, 35) || !isId(value, 36, 52)) return null;
  const flags = hexByte(value, 53);
  return flags < 0 ? null : { traceId: value.slice(3, 35), parentId: value.slice(36, 52), flags };
}

function isId(text: string, start: number, end: number): boolean {
  let some = 0;
  for (let i = start; i < end; i++) {
    const digit = hexDigit(text.charCodeAt(i));
    if (digit < 0) return false;
    some |= digit;
  }
  return some !== 0;
}

function hexByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/** Capitals are none (W3C Trace Context, section 3.2.2). */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

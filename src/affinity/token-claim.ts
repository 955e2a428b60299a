/** A token in three parts (RFC 7515 section 3.1); the last one is empty when nobody signed it. */
const COMPACT = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/;

/**
 * The last character of a part that leaves bits over, which have to be zero: A, Q, g and w behind one more, or every
 * fourth behind two more (RFC 4648 section 3.5). Otherwise one signature would have several spellings.
 */
const LOOSE_END = /(?:^|\.)(?:[\w-]{4})*(?:[\w-]|[\w-][^AQgw.]|[\w-]{2}[^AEIMQUYcgkosw048.])(?:\.|$)/;

/** Whether the text has the form of a JSON Web Token: worth the trouble of checking its signature. */
export function looksLikeToken(token: string): boolean {
  return COMPACT.test(token) && !LOOSE_END.test(token);
}

/**
 * A claim of a token whose signature nobody has checked. This is affinity and not authentication: whoever makes up a
 * claim gets to the backend of that claim, where the application checks the token as it always has. Null: no token, no
 * such claim, or nothing that can be a key.
 */
export function readUnverifiedClaim(token: string, claim: string): string | null {
  const payload = COMPACT.exec(token)?.[1];
  if (payload === undefined) return null;
  try {
    return claimText(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')), claim);
  } catch {
    return null;
  }
}

/**
 * The claim as text that can be a key: a string that is not empty, or a whole number. Null for everything else. A
 * number that a double cannot hold exactly is none: two users would have one key.
 */
export function claimText(payload: unknown, claim: string): string | null {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return null;
  const value: unknown = Reflect.get(payload, claim);
  if (typeof value === 'string') return value === '' ? null : value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : null;
}

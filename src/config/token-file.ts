import { readFileSync } from 'node:fs';
import { whyUnreadable } from './files.ts';

/** A token that can be guessed is none. */
const SHORTEST = 16;
/** A token68 (RFC 6750 section 2.1). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Reads the token of the admin API from a file: one line, at least 16 characters. What is wrong is the same for `check`
 * and start.
 */
export function readTokenFile(file: string): { readonly token: string } | { readonly error: string } {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    return { error: `cannot read ${file}: ${whyUnreadable(error)}` };
  }
  if (TOKEN.test(token) && token.length >= SHORTEST) return { token };
  return {
    error: `${file} must hold one token of at least ${SHORTEST} characters (letters, digits and - . _ ~ + / =), such as openssl rand -hex 32 makes`,
  };
}

import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { whyUnreadable } from './files.ts';

/** What a file of public keys holds, or what is wrong with it: the same for `check`, start and reload. */
type PublicKeyFile =
  | { readonly key: KeyObject }
  | {
      /** JSON Web Keys. */
      readonly keys: readonly object[];
    }
  | { readonly error: string };

/** Reads `verify.publicKeyFile`: PEM (SPKI or a certificate), a JSON Web Key or a set of them. */
export function readPublicKeyFile(file: string): PublicKeyFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return { error: `cannot read ${file}: ${whyUnreadable(error)}` };
  }
  // Where a private key lies in a configuration that needs the public one only, somebody has mixed up two files.
  if (text.includes('PRIVATE KEY-----'))
    return { error: `${file} holds a private key: put the public key or the certificate there` };
  try {
    if (!text.trimStart().startsWith('{')) return { key: createPublicKey(text) };
    const json: unknown = JSON.parse(text);
    const keys: readonly unknown[] = isKeySet(json) ? json.keys : [json];
    for (const key of keys) {
      if (typeof key !== 'object' || key === null || !('kty' in key) || key.kty === 'oct' || 'd' in key)
        throw new Error('a key of the set is not a public key');
    }
    return { keys: keys as object[] };
  } catch (error) {
    const form = 'a PEM file with a public key or certificate, a JSON Web Key or a JSON Web Key Set';
    return { error: `${file} is not ${form}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function isKeySet(json: unknown): json is { readonly keys: readonly unknown[] } {
  return (
    typeof json === 'object' && json !== null && 'keys' in json && Array.isArray(json.keys) && json.keys.length > 0
  );
}

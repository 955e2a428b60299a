import { readPath } from '../http1/path-reading.ts';

/**
 * A path of the configuration in the form in which those of requests are read, other characters percent-encoded; or why
 * no request could have it.
 */
export function plainPath(path: string): { readonly path: string } | { readonly error: string } {
  const encoded = path.replace(/[^!-~]+/g, (other) => encodeURI(other.toWellFormed()));
  if (/;|%3b/i.test(path))
    return { error: 'path parameters (;…) are not looked at, and this would never match: leave them out' };
  const readings = readPath(encoded);
  if (readings?.length !== 1)
    return { error: '\\, %2F, %5C and %00 are read in different ways by different servers: leave them out' };
  return { path: readings[0]! };
}

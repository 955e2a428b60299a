import { PUBLIC_KEY_ALGORITHMS, SECRET_ALGORITHMS } from './affinity-schema.ts';
import type { KeyPath } from './config-error.ts';
import { got } from './messages.ts';
import type { AffinityParts, Parts, PoolParts, Report, VerifyParts } from './parts.ts';

/** Checks the key sources of one pool: that each gets a turn, and that browsers accept the cookie. */
export function checkAffinity(pool: PoolParts, parts: Parts, report: Report): void {
  const seen = new Map<string, number>();
  const ip = pool.affinity.findIndex((strategy) => strategy?.by === 'ip');
  for (const [index, strategy] of pool.affinity.entries()) {
    if (strategy === undefined) continue;
    const path = [...pool.path, 'affinity', index];
    const first = seen.get(identity(strategy));
    if (first !== undefined) report.error(path, `looks in the same place as affinity[${first}]: remove one of the two`);
    else seen.set(identity(strategy), index);
    if (strategy.by === 'cookie') {
      if (ip >= 0)
        report.warn(
          path,
          'the cookie is never issued: every request has an address, so that ip always finds a key; remove ip or the cookie',
        );
      checkCookie(strategy, path, parts, report);
    } else if (ip >= 0 && index > ip) {
      report.warn(path, `${strategy.by} never gets a turn after ip: every request has an address; put ip last`);
    }
  }
  for (const [index, verify] of pool.verify) checkVerify(verify, [...pool.path, 'affinity', index, 'verify'], report);
  const issued = pool.affinity.find((strategy) => strategy?.by === 'cookie');
  for (const [index, strategy] of pool.affinity.entries()) {
    if (
      strategy?.by === 'app-cookie' &&
      issued?.by === 'cookie' &&
      strategy.name !== undefined &&
      strategy.name === issued.name
    ) {
      report.error(
        [...pool.path, 'affinity', index, 'name'],
        `${got(strategy.name)} is the name of limpet's own cookie in this pool too: give { by: cookie } another name`,
      );
    }
  }
}

/** Two strategies with the same identity would read the same key; there is one cookie of limpet's own in a pool. */
function identity(strategy: AffinityParts): string {
  switch (strategy.by) {
    case 'token':
      return `token ${strategy.from} ${strategy.claim}`;
    case 'app-cookie':
    case 'header':
    case 'query':
      return `${strategy.by} ${strategy.name}`;
    case 'cookie':
    case 'ip':
      return strategy.by;
  }
}

/**
 * What browsers demand of a cookie's attributes (RFC 6265bis sections 4.1.3 and 5.7); they drop one that breaks a rule
 * without a word.
 */
function checkCookie(
  cookie: Extract<AffinityParts, { by: 'cookie' }>,
  path: KeyPath,
  parts: Parts,
  report: Report,
): void {
  const needs: string[] = [];
  if (cookie.sameSite === 'none') needs.push('sameSite none');
  if (cookie.partitioned) needs.push('partitioned');
  // Prefixes are compared without regard to case, as browsers do.
  const prefix = /^__(?:host|secure)-/i.exec(cookie.name ?? '')?.[0] ?? '';
  if (prefix !== '') needs.push(`the prefix ${prefix}`);
  for (const what of needs) {
    if (cookie.secure === false)
      report.error(
        [...path, 'secure'],
        `browsers drop a cookie with ${what} that is not secure: set secure to true, or to auto`,
      );
    else if (cookie.secure === 'auto' && parts.trustedProxies.length === 0 && parts.listeners.some(isPlain)) {
      report.warn(
        path,
        `browsers drop a cookie with ${what} that is not secure, and over plain HTTP it is not: give the listener tls, put something that speaks TLS in front and name it in trustedProxies, or set secure to true`,
      );
    }
  }
  if (prefix.toLowerCase() !== '__host-') return;
  if (cookie.path !== '/')
    report.error([...path, 'path'], `browsers drop a cookie with the prefix ${prefix} whose path is not /`);
  if (cookie.domain !== null)
    report.error(
      [...path, 'domain'],
      `browsers drop a cookie with the prefix ${prefix} that has a domain: leave it out`,
    );
}

function checkVerify(verify: VerifyParts, path: KeyPath, report: Report): void {
  const given = (['secret', 'publicKeyFile', 'jwksUrl'] as const).filter((key) => verify[key] !== null);
  if (given.length !== 1) {
    report.error(
      path,
      `needs exactly one of secret, publicKeyFile and jwksUrl, got ${given.length === 0 ? 'none' : given.join(' and ')}`,
    );
    return;
  }
  // A public key taken for a shared secret lets anybody sign (RFC 8725 section 2.1).
  const fitting: readonly string[] = given[0] === 'secret' ? SECRET_ALGORITHMS : PUBLIC_KEY_ALGORITHMS;
  for (const [index, algorithm] of (verify.algorithms ?? []).entries()) {
    if (!fitting.includes(algorithm)) {
      report.error(
        [...path, 'algorithms', index],
        `${algorithm} does not go with ${given[0]}: use ${fitting.join(', ')}`,
      );
    }
  }
  if (typeof verify.secret === 'string' && Buffer.byteLength(verify.secret) < 32) {
    report.warn(
      [...path, 'secret'],
      'is shorter than 32 bytes, which can be guessed (RFC 7518 section 3.2): use a longer one',
    );
  }
}

function isPlain({ tls }: Parts['listeners'][number]): boolean {
  return tls === null;
}

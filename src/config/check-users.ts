import type { Parts, PoolParts, Report } from './parts.ts';

/** Headers that hold what nobody but the application may see: the name of a user stands in logs and answers. */
const SECRETS = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie']);

/** Checks what names the users of a pool: whether anybody's word on it is believed that should not be, or nobody's. */
export function checkUsers({ path, session, affinity, verify }: PoolParts, parts: Parts, report: Report): void {
  const { header, max, claim } = session.perUser ?? {};
  const at = [...path, 'session', 'perUser'];
  if (typeof header === 'string') {
    if (SECRETS.has(header))
      report.error(
        [...at, 'header'],
        `${header} holds a secret, and the name of a user stands in logs and in the admin API: name a header that holds nothing but the user's name`,
      );
    else if (parts.trustedProxies.length === 0)
      report.warn(
        [...at, 'header'],
        'nobody is believed: the header counts from a proxy of trustedProxies only; name yours there',
      );
    return;
  }
  if (max === undefined || max === 0) return;
  for (const [index, strategy] of affinity.entries()) {
    if (strategy?.by !== 'token' || verify.has(index)) continue;
    report.warn(
      [...path, 'affinity', index],
      `is not verified, so anybody can make a token that says another user's ${claim ?? 'sub'} and, with perUser.max, end or block that user's sessions: give it verify`,
    );
  }
}

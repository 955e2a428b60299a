import { createHmac } from 'node:crypto';
import type { HeaderLine } from './request-head.ts';

/** Authorization lines with JSON Web Tokens (RFC 7519) of `count` users, signed with HS256, valid for a day. */
export function tokenMarks(secret: string, count: number): HeaderLine[] {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  return Array.from({ length: count }, (_, user) => {
    const claims = { iss: 'https://login.example', sub: `user-${user}`, aud: 'bench', iat: now, exp: now + 86_400 };
    const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
    const signature = createHmac('sha256', secret).update(signed).digest('base64url');
    return ['Authorization', `Bearer ${signed}.${signature}`];
  });
}

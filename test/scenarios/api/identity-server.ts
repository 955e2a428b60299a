import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export const ISSUER = 'https://login.example';
export const AUDIENCE = 'api';

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

/** What an access token says besides whom it is for. */
export interface TokenOptions {
  /** Seconds that it is good for; negative: it has run out so long ago. */
  readonly seconds?: number;
  readonly issuer?: string;
  readonly audience?: string;
}

/**
 * Signs people in: gives out access tokens that soon run out, and others in exchange for them until a user is revoked.
 * Has two keys, the second one for later, and publishes both.
 */
export class IdentityServer {
  readonly #revoked = new Set<string>();
  readonly #keys: PrivateKey[] = [];
  readonly #published: JWK[] = [];
  readonly #server: Server;
  #current = 0;

  constructor() {
    this.#server = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ keys: this.#published }));
    });
  }

  async start(): Promise<this> {
    for (const kid of ['this-month', 'next-month']) {
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      this.#keys.push(privateKey);
      this.#published.push({ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' });
    }
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Where its keys are. */
  get jwksUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/.well-known/jwks.json`;
  }

  /** Signs with the next key from here on. */
  changeKey(): void {
    this.#current = 1;
  }

  /** Renews no token of a user any more. */
  revoke(user: string): void {
    this.#revoked.add(user);
  }

  /** A new access token, each another one; null: this user gets none. */
  async renew(user: string, { seconds = 300, issuer = ISSUER, audience = AUDIENCE }: TokenOptions = {}) {
    if (this.#revoked.has(user)) return null;
    const now = Math.floor(Date.now() / 1_000);
    return new SignJWT({ scope: 'work' })
      .setProtectedHeader({ alg: 'ES256', kid: String(this.#published[this.#current]!.kid) })
      .setSubject(user)
      .setIssuer(issuer)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(now + Math.min(0, seconds))
      .setExpirationTime(now + seconds)
      .sign(this.#keys[this.#current]!);
  }
}

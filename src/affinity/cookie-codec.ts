import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import { Hmac } from '../keys/hmac.ts';

/**
 * What a cookie says, in 57 bytes that are exactly 76 characters of base64url (RFC 4648 section 5), without bits left
 * over:
 *
 *     bytes   0..18   session id, random
 *            18..24   when the session began, ms since epoch
 *            24..30   when this cookie was made, ms since epoch
 *            30..38   tag of the backend, masked
 *            38..42   hash of what the session is bound to besides its backend (`bindTo`), zero for nothing, masked
 *            42..57   MAC over all before it
 *
 * The tag is an HMAC of the backend's configured id (behaviour 12), so that every node and every start of limpet makes
 * the same one; it is masked with a key stream from the bytes before it, so that two cookies of one backend do not look
 * alike (behaviour 11). The name of the pool is part of every key: what one pool signed is noise to another. MAC, mask
 * and tag have a key each, derived from the secret (RFC 5869).
 */
export const COOKIE_LENGTH = 76;
/** Characters of the session id at the front: 18 bytes. */
export const ID_LENGTH = 24;
export const ID_BYTES = 18;

const BEGAN = 18;
const ISSUED = 24;
const TAG = 30;
const BINDING = 38;
const MAC = 42;
const END = 57;
const TAG_BYTES = BINDING - TAG;
const MASKED_BYTES = MAC - TAG;

/** Value of each character of base64url. */
const DIGITS = new Uint8Array(256);
for (const [value, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries())
  DIGITS[c.charCodeAt(0)] = value;
/** Three bytes are four characters, so the date begins at one and ends with one. */
const ISSUED_CHARACTERS = (ISSUED / 3) * 4;

/**
 * When a cookie, whose characters these are, says that it was made, ms since epoch: read without looking at the MAC.
 * HOT
 */
export function issuedIn(characters: Uint8Array): number {
  return groupAt(characters, ISSUED_CHARACTERS) * 0x1000000 + groupAt(characters, ISSUED_CHARACTERS + 4);
}

/** Four characters: 24 bits. */
function groupAt(characters: Uint8Array, at: number): number {
  return (
    (DIGITS[characters[at]!]! << 18) |
    (DIGITS[characters[at + 1]!]! << 12) |
    (DIGITS[characters[at + 2]!]! << 6) |
    DIGITS[characters[at + 3]!]!
  );
}

/** Fields of a cookie whose MAC is right. */
export interface CookieFields {
  readonly began: number;
  readonly issued: number;
  /** Null: no backend of the pool has this tag. */
  readonly backend: Backend | null;
  /** Hash of what the session is bound to, u32; 0: nothing. */
  readonly binding: number;
}

/** One secret's keys, and what the backends are called under it. */
interface Signer {
  readonly mac: Hmac;
  readonly mask: Hmac;
  readonly tagKey: Buffer;
  readonly tags: ReadonlyMap<string, Buffer>;
  readonly byTag: ReadonlyMap<string, Backend>;
}

/** Writes and reads the cookies of one pool. The first secret signs, all verify. */
export class CookieCodec {
  readonly #signers: readonly Signer[];
  /** MAC under a secret that signs no more and proves nothing any more; null: there is none. */
  readonly #former: Hmac | null;
  readonly #bytes = Buffer.alloc(END);
  readonly #signed = this.#bytes.subarray(MAC);
  readonly #mac = Buffer.alloc(END - MAC);
  readonly #stream = Buffer.alloc(MASKED_BYTES);

  /**
   * @param former a secret that was dropped while limpet runs: sessions whose rows are here go on with the cookies that
   * it has signed
   */
  constructor(secrets: readonly Uint8Array[], pool: Pool, former: Uint8Array | null = null) {
    const dropped = former !== null && !secrets.some((secret) => Buffer.compare(secret, former) === 0);
    this.#former = dropped ? new Hmac(derive(former, 'mac', pool.name), MAC) : null;
    this.#signers = secrets.map((secret) => {
      const tagKey = derive(secret, 'tag', pool.name);
      const tags = new Map(pool.backends.map(({ id }) => [id, tagOf(tagKey, id)]));
      return {
        mac: new Hmac(derive(secret, 'mac', pool.name), MAC),
        mask: new Hmac(derive(secret, 'mask', pool.name), TAG),
        tagKey,
        tags,
        byTag: new Map(pool.backends.map((backend) => [tags.get(backend.id)!.toString('latin1'), backend])),
      };
    });
  }

  /**
   * The cookie of a session on a backend; `id` is ID_LENGTH characters of base64url, the times are ms since epoch,
   * `binding` is a u32.
   */
  encode(id: string, backend: Pick<Backend, 'id'>, began: number, issued: number, binding = 0): string {
    const signer = this.#signers[0]!;
    const bytes = this.#bytes;
    bytes.write(id, 0, ID_BYTES, 'base64url');
    bytes.writeUIntBE(Math.floor(began), BEGAN, 6);
    bytes.writeUIntBE(Math.floor(issued), ISSUED, 6);
    // A backend that left the pool while it answered has no tag at hand.
    (signer.tags.get(backend.id) ?? tagOf(signer.tagKey, backend.id)).copy(bytes, TAG);
    bytes.writeUInt32BE(binding, BINDING);
    this.#mask(signer);
    signer.mac.digest(bytes, this.#signed);
    return bytes.toString('base64url');
  }

  /** What a cookie of COOKIE_LENGTH base64url characters says; null when no secret has signed it. */
  decode(text: string): CookieFields | null {
    const bytes = this.#bytes;
    if (text.length !== COOKIE_LENGTH || bytes.write(text, 0, END, 'base64url') !== END) return null;
    for (const signer of this.#signers) {
      if (!this.#matches(signer.mac)) continue;
      this.#mask(signer);
      return {
        began: bytes.readUIntBE(BEGAN, 6),
        issued: bytes.readUIntBE(ISSUED, 6),
        backend: signer.byTag.get(bytes.toString('latin1', TAG, BINDING)) ?? null,
        binding: bytes.readUInt32BE(BINDING),
      };
    }
    return null;
  }

  /**
   * Whether a cookie of COOKIE_LENGTH base64url characters was made here, as it is, whatever it says and however old it
   * is.
   */
  isSigned(text: string): boolean {
    const bytes = this.#bytes;
    if (text.length !== COOKIE_LENGTH || bytes.write(text, 0, END, 'base64url') !== END) return false;
    for (const { mac } of this.#signers) if (this.#matches(mac)) return true;
    return this.#former !== null && this.#matches(this.#former);
  }

  #matches(mac: Hmac): boolean {
    mac.digest(this.#bytes, this.#mac);
    return timingSafeEqual(this.#mac, this.#signed);
  }

  /** Masks tag and binding, or takes the mask off: the stream is the same both ways. */
  #mask(signer: Signer): void {
    signer.mask.digest(this.#bytes, this.#stream);
    for (let i = 0; i < MASKED_BYTES; i++) this.#bytes[TAG + i]! ^= this.#stream[i]!;
  }
}

function derive(secret: Uint8Array, purpose: string, pool: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'limpet cookie', `${purpose}\0${pool}`, 32));
}

function tagOf(tagKey: Buffer, id: string): Buffer {
  return createHmac('sha256', tagKey).update(id, 'utf8').digest().subarray(0, TAG_BYTES);
}

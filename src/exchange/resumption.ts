/**
 * What has to stay the same when a response goes on at another backend. Offsets count in the selected representation
 * (RFC 9110 section 14).
 */
export interface Resumption {
  /** Strong entity tag, with its quotes. */
  readonly etag: string;
  /** Content codings in lower case; '' when there are none. */
  readonly encoding: string;
  /** Offsets of the first and the last byte of the body. */
  readonly first: number;
  readonly last: number;
  /** Size of the representation as Content-Range has it: digits, or `*` when its size is not known. */
  readonly total: string;
}

/** How a response begins. */
export interface ResponseOptions {
  /** It has no body: END_STREAM goes with the head. */
  readonly endStream?: boolean;
  /** 'wantTrailers' comes when the body is out, and `sendTrailers` ends the stream. */
  readonly waitForTrailers?: boolean;
  /** Always false: limpet decides about Date itself. */
  readonly sendDate: false;
}

/**
 * What a VirtualConnection needs of a stream of HTTP/2, one request and its response (RFC 9113 section 5). A
 * ServerHttp2Stream of node:http2 is one as it is; another engine has these behave in the same way:
 *
 * - nothing is read before there is a listener of 'data', and a pause lets the window of the stream run out;
 * - 'end' comes behind the last DATA or the trailers, also when the stream is reset: `aborted` tells them apart;
 * - 'close' comes once, last, and behind all that was read, whatever ended the stream: `rstCode` says what;
 * - what is written after the client has reset the stream is dropped without a word.
 */
export interface StreamPort {
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  /** `raw` has names and values by turns; `fields` is of no use here. */
  on(event: 'trailers', listener: (fields: object, flags: number, raw?: readonly string[]) => void): unknown;
  on(event: 'end' | 'drain' | 'close' | 'error', listener: () => void): unknown;
  once(event: 'wantTrailers' | 'finish', listener: () => void): unknown;
  off(event: 'data', listener: (bytes: Buffer) => void): unknown;
  pause(): unknown;
  resume(): unknown;
  cork(): void;
  uncork(): void;

  /** Sends a 1xx response, by name. Before `respond`. */
  additionalHeaders(fields: Record<string, number | string[]>): void;
  /** Begins the response. @param fields names in lower case and values by turns, `:status` first */
  respond(fields: readonly string[], options: ResponseOptions): void;
  /** Sends DATA. @param done called when it has left limpet: the client's window has let it through */
  write(bytes: Buffer, done: () => void): unknown;
  /** END_STREAM behind the last DATA, unless trailers are waited for. */
  end(last?: Buffer): unknown;
  /** Sends the trailers, by name, and END_STREAM. After 'wantTrailers'. */
  sendTrailers(fields: Record<string, string[]>): void;
  /** RST_STREAM with this error code of RFC 9113 section 7, behind what has been written. */
  close(code: number): void;
  /** RST_STREAM with INTERNAL_ERROR, at once. @param error what 'error' is emitted with */
  destroy(error: Error): unknown;

  /** Bytes that were written and that the client's window has not let through. */
  readonly writableLength: number;
  /** `end` has been called. */
  readonly writableEnded: boolean;
  /** All is out, END_STREAM included. */
  readonly writableFinished: boolean;
  /** The stream is closed, or about to be. */
  readonly closed: boolean;
  readonly destroyed: boolean;
  /** The client has reset it before the end of its request. */
  readonly aborted: boolean;
  /** Error code that it was closed with; 0: NO_ERROR. */
  readonly rstCode?: number | undefined;
}

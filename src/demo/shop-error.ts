/** A refusal that the visitor is told about: an HTTP status, a code for programs and a sentence for people. */
export class ShopError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'ShopError';
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

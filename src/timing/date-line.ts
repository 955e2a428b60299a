/** The `Date` line of messages that go out now (RFC 9110 6.6.1), made once a second. */
export class DateLine {
  #second = -1;
  #line = '';

  /** @param ms since epoch @returns the line with its CRLF */
  at(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#line = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
    }
    return this.#line;
  }
}

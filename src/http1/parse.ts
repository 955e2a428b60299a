/** What came of reading a message head or a piece of a chunked body. */
export const Parse = {
  done: 0,
  /** A head: it is not complete, call again with more bytes from the same start. A body: all bytes were taken. */
  more: 1,
  /** 400 for a request, BACKEND_PROTOCOL for a response; `problem` says why. */
  bad: 2,
  /** More fields than allowed: 431. */
  tooMany: 3,
} as const;

/** One of the values of Parse. */
export type Parse = (typeof Parse)[keyof typeof Parse];

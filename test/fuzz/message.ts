/** What a reader made of one message. Texts are latin1: one character a byte. */
export interface ReadMessage {
  /** Method and target of a request, status and reason of a response. */
  readonly start: string;
  readonly version: string;
  /** Names and values in turn, as they came. */
  readonly fields: readonly string[];
  keepAlive: boolean;
  body: string;
  /** Names and values in turn. */
  trailers: readonly string[];
  /** The message has ended where it should. */
  complete: boolean;
}

/** What a reader made of a stream of messages. */
export interface ReadStream {
  readonly messages: ReadMessage[];
  /** Why it stopped reading; '' when it waits for more. */
  refused: string;
}

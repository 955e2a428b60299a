/** Connections to one backend, some of which belong to one connection of a client. X is the exchange. */
export interface OwnedConnections<X> {
  /** The backend is gone or has moved. */
  readonly retired: boolean;
  /** The client's connection has closed, and its own ones with it. */
  closeOwned(x: X): void;
}

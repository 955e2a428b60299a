/** A TLSSocket knows the connection it was made on; not documented, and the same since Node 0.12. */
interface OnTop {
  readonly _parent?: object | null;
}

/** The connection that a TLS socket was made on; the socket itself when it is no TLS. */
export function connectionBelow<S extends object>(socket: S): S {
  return ((socket as OnTop)._parent as S | null | undefined) ?? socket;
}

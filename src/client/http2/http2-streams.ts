import type { Logger } from '../../logging/logger.ts';
import type { Handler } from '../../proxy/handler.ts';
import type { ConnectionOwner } from '../connection-owner.ts';
import { Downstream } from '../downstream.ts';
import { Http2Front } from './front.ts';
import type { FrontListener } from './front-parts.ts';

/** A listener whose connections may speak HTTP/2. */
export type Http2Listener = FrontListener & Omit<ConnectionOwner, 'closed' | 'multiplexed'>;

/**
 * HTTP/2 towards the clients of a worker: every stream is served by a Downstream, as if it were a connection of
 * HTTP/1.1.
 */
export function http2Streams(handler: Handler, log: Logger): Http2Front<Http2Listener> {
  return new Http2Front<Http2Listener>({
    wheel: handler.wheel,
    log,
    serve: (connection, { listener, ...origin }) => {
      const owner: ConnectionOwner = {
        get config() {
          return listener.config;
        },
        get trusted() {
          return listener.trusted;
        },
        get stopping() {
          return listener.stopping;
        },
        multiplexed: true,
        // Of the connections of a listener the HTTP/2 connection is one, its streams are none.
        closed: () => {},
        crossed: () => {},
      };
      return new Downstream(connection, { ...origin, http2: true }, owner, handler);
    },
  });
}

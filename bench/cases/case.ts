import type { Demands } from '../proxies/proxy-kind.ts';
import type { ProxyName } from '../proxies/registry.ts';
import type { HeaderSet } from '../request-head.ts';

interface Named {
  readonly name: string;
  /** One line for the report. */
  readonly title: string;
  /** The proxies that it is meant for; absent: all. */
  readonly only?: readonly ProxyName[];
  readonly demands: Demands;
}

/** Requests (or WebSocket messages) as fast as each proxy takes them, and then at half of that. */
export interface RequestCase extends Named {
  readonly kind: 'requests';
  readonly bodyBytes: number;
  readonly uploadBytes: number;
  readonly headers: HeaderSet;
  /** `none`: no request carries a session, so each begins one. */
  readonly marks: 'cookie' | 'token' | 'none';
  readonly handshakes: boolean;
  /** The generator of the closed loop; wrk where autocannon would be the limit. */
  readonly load: 'wrk' | 'autocannon';
}

/** Connections that are kept and say nothing: what each costs in memory. */
export interface IdleCase extends Named {
  readonly kind: 'idle';
}

/** A backend is killed under load. */
export interface FailoverCase extends Named {
  readonly kind: 'failover';
}

/** One thing that all the proxies are compared at. */
export type Case = RequestCase | IdleCase | FailoverCase;

/** No demand: plain HTTP/1.1, cookie stickiness, one core, no log. */
export const NO_DEMANDS: Demands = {
  tls: false,
  websocket: false,
  token: false,
  resident: 0,
  redis: false,
  accessLog: false,
  workers: 1,
  failover: false,
};

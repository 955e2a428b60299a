import type { Backend } from '../backends.ts';
import type { Certificate } from '../certificate.ts';

/** How a proxy binds a session to a backend. */
export type Binding =
  /** The response that gives the client its cookie also binds: it comes from the backend of the session. */
  | 'first-response'
  /** The mark is hashed or claimed: the backend of the session is known from the first request that carries it. */
  | 'first-request'
  /** No session: a connection stays at its backend. */
  | 'connection';

/** What a case asks of a proxy beyond carrying sticky requests over plain HTTP. */
export interface Demands {
  readonly tls: boolean;
  readonly websocket: boolean;
  /** Affinity by the claim `sub` of an HS256 token, whose signature is checked. */
  readonly token: boolean;
  /** Sessions that the proxy must hold at once; 0: the few of the load. */
  readonly resident: number;
  /** A table of sessions in Redis. */
  readonly redis: boolean;
  readonly accessLog: boolean;
  readonly workers: number;
  /** A backend dies under load. */
  readonly failover: boolean;
}

/** What a proxy shall listen on and forward to. */
export interface Setting {
  readonly port: number;
  readonly backends: readonly Backend[];
  /** Client connections that it must be able to hold, those of the checks included. */
  readonly connections: number;
  readonly demands: Demands;
  /** TLS in front; null: plain HTTP. */
  readonly tls: Certificate | null;
  /** The secret that signs the tokens of the load. */
  readonly tokenSecret: string;
  /** Where Redis listens; null: not started. */
  readonly redisUrl: string | null;
  /** An empty folder of its own for configuration, temporary files and logs. */
  readonly directory: string;
}

/** How a proxy is started. */
export interface Prepared {
  /** Must stay in the foreground. */
  readonly command: readonly string[];
  /** The configuration as it was written, or the source of a library's script: the report shows it. */
  readonly configuration: string;
}

/** Whether a proxy can be measured here. `debian`: the package that it is in. */
export type Found = { readonly version: string } | { readonly missing: string; readonly debian?: string };

/**
 * One thing that is measured: how to write its configuration and what to start. Its processes are the started one and
 * its descendants.
 */
export interface ProxyKind {
  readonly name: string;
  /** How it is set up, in a few words, for the report. */
  readonly setup: string;
  /** Names of the cookies that carry the session: the clients send these back. Empty with binding `connection`. */
  readonly cookies: readonly string[];
  readonly binding: Binding;
  /** The version on this machine, or why it is left out. */
  find(): Promise<Found>;
  /** Why it cannot do what a case asks, in a few words; null: it can. */
  cannot(demands: Demands): string | null;
  /** Writes the configuration. */
  prepare(setting: Setting): Promise<Prepared>;
}

import type { Backend } from '../backends.ts';
import type { Certificate } from '../certificate.ts';

/** How a proxy binds a session to a backend. */
export type Binding =
  /** The response that gives the client its cookie also binds: it comes from the backend of the session. */
  | 'first-response'
  /** The cookie is hashed: the backend of the session is known from the first request that carries it. */
  | 'first-request'
  /** No session: a connection stays at its backend. */
  | 'connection';

/** What a proxy shall listen on and forward to. */
export interface Setting {
  readonly port: number;
  readonly backends: readonly Backend[];
  /** Client connections that it must be able to hold, those of the checks included. */
  readonly connections: number;
  /** TLS in front; null: plain HTTP. */
  readonly tls: Certificate | null;
  /** An empty folder of its own for configuration and temporary files. */
  readonly directory: string;
}

/** Whether a proxy can be measured here. */
export type Found = { readonly version: string } | { readonly missing: string };

/** One thing that is measured: how to write its configuration and what to start. Its processes are the started one and its descendants. */
export interface ProxyKind {
  readonly name: string;
  /** How it is set up, in a few words, for the report. */
  readonly setup: string;
  /** Name of the cookie that carries the session, null with binding `connection`. */
  readonly cookie: string | null;
  readonly binding: Binding;
  /** The version on this machine, or why it is left out. */
  find(): Promise<Found>;
  /** Writes the configuration and returns the command, which must stay in the foreground. */
  prepare(setting: Setting): Promise<readonly string[]>;
}

/** What the tests use of modules that come without types. */
declare module 'express' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

  export interface Session {
    user?: string;
    count?: number;
    regenerate(done: (error: unknown) => void): void;
    destroy(done: (error: unknown) => void): void;
  }
  export type Request = IncomingMessage & {
    readonly session: Session;
    readonly body: unknown;
    readonly ip: string;
    readonly protocol: string;
  };
  export type Response = ServerResponse & { status(code: number): Response; json(value: unknown): void };
  export type Handler = (request: Request, response: Response, next: (error?: unknown) => void) => void;
  export interface Application extends RequestListener {
    set(name: string, value: unknown): void;
    use(handler: Handler): void;
    get(path: string, handler: Handler): void;
    post(path: string, handler: Handler): void;
  }
  const express: { (): Application; json(): Handler };
  export default express;
}

declare module 'express-session' {
  import type { Handler } from 'express';

  /** Without a `store`: in the memory of the process. */
  const session: (options: {
    secret: string;
    resave: boolean;
    saveUninitialized: boolean;
    cookie?: { maxAge?: number; secure?: boolean | 'auto' };
  }) => Handler;
  export default session;
}

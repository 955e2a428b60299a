/** A way to run limpet that is not the one of `npm test`. */
export interface Engine {
  /** As `npm run test:engines -- NAME` and the workflow of the public CI name it. */
  readonly name: string;
  /** Version of the npm package `node`; null: the one that npm ci brings along. */
  readonly version: string | null;
  readonly nodeOptions: string;
}

/** What the integration tests run on besides: see `sockets` in docs/operate/engine.md. */
export const ENGINES: readonly Engine[] = [
  { name: 'node-26-without-ffi', version: null, nodeOptions: '--no-experimental-ffi' },
  { name: 'node-24', version: '24', nodeOptions: '' },
  { name: 'node-22.19', version: '22.19.0', nodeOptions: '' },
];

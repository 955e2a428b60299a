// Preloaded by NODE_OPTIONS=--import: says on standard error when a thread compiles WebAssembly or opens a library by
// node:ffi. With DROP_EVENTS the epoll_wait of such a library answers that nothing has happened, whatever has.
import { writeSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { threadName } from 'node:worker_threads';

interface Ffi {
  dlopen(...args: unknown[]): { functions: Record<string, unknown> };
}

const say = (what: string): void => void writeSync(2, `${threadName || 'main'}: ${what}\n`);

WebAssembly.Module = new Proxy(WebAssembly.Module, {
  construct(target, args, newTarget) {
    say('WebAssembly');
    return Reflect.construct(target, args, newTarget) as object;
  },
});

if (isBuiltin('node:ffi')) {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  const ffi = process.getBuiltinModule('node:ffi') as unknown as Ffi;
  process.emitWarning = emitWarning;
  const { dlopen } = ffi;
  ffi.dlopen = (...args) => {
    say('dlopen');
    const library = dlopen(...args);
    if (process.env.DROP_EVENTS === undefined) return library;
    return { ...library, functions: { ...library.functions, epoll_wait: () => 0 } };
  };
}

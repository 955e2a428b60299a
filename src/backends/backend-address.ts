import type { Backend } from './backend.ts';

/** Where net.connect and tls.connect find a backend. @param port in place of the backend's own */
export function backendAddress(
  { host, port, socketPath }: Backend,
  otherPort: number | null = null,
): { readonly path: string } | { readonly host: string; readonly port: number } {
  return socketPath === null ? { host, port: otherPort ?? port } : { path: socketPath };
}

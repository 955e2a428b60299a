import { isIP } from 'node:net';

/** The parts of a `bind`. */
export type Bind =
  | {
      readonly kind: 'tcp' /** Without brackets. */;
      readonly host: string /** 0: any free port. */;
      readonly port: number;
    }
  | { readonly kind: 'unix'; readonly path: string };

const TCP = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;

/** Reads `host:port`, `[address]:port` or `unix:/path`; what is wrong with it otherwise. */
export function parseBind(text: string): Bind | { readonly error: string } {
  if (text.startsWith('unix:')) {
    const path = text.slice(5);
    // The kernel's sockaddr_un holds 108 bytes with the final NUL.
    if (/^\/[^\0]*[^/\0]$/.test(path) && Buffer.byteLength(path) <= 107) return { kind: 'unix', path };
    return { error: 'must be unix: and an absolute path of at most 107 bytes, such as unix:/run/limpet.sock' };
  }
  const [, bracketed, plain, digits] = TCP.exec(text) ?? [];
  const port = Number(digits);
  if (/^\*?:?\d{1,5}$/.test(text)) {
    const wanted = text.replace(/\D/g, '');
    return {
      error: `must name the address too: write 0.0.0.0:${wanted} for every IPv4 address, [::]:${wanted} for every address`,
    };
  }
  if (digits === undefined || port > 65_535) {
    const brackets =
      isIP(text.replace(/:\d+$/, '')) === 6 || isIP(text) === 6 ? ': an IPv6 address stands in brackets' : '';
    return {
      error: `must be host:port, [::]:port or unix:/path, such as 0.0.0.0:8080, with a port from 0 to 65535${brackets}`,
    };
  }
  if (bracketed !== undefined && isIP(bracketed) !== 6)
    return { error: 'must hold an IPv6 address in the brackets, such as [::1]:8080' };
  const host = bracketed ?? plain ?? '';
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4)
    return { error: 'must hold an IPv4 address of four numbers from 0 to 255, such as 127.0.0.1:8080' };
  return { kind: 'tcp', host: host.toLowerCase(), port };
}

/** True when only this machine can reach it: a unix socket, 127.0.0.0/8, ::1 or localhost. */
export function isLocalBind(bind: Bind): boolean {
  return (
    bind.kind === 'unix' ||
    bind.host === 'localhost' ||
    bind.host === '::1' ||
    (isIP(bind.host) === 4 && bind.host.startsWith('127.'))
  );
}

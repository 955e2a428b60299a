const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A line of the PROXY protocol, version 1. */
export function proxyV1(source: string, port = 40_000): string {
  const family = source.includes(':') ? 'TCP6' : 'TCP4';
  return `PROXY ${family} ${source} ${family === 'TCP6' ? '::1' : '127.0.0.1'} ${port} 443\r\n`;
}

/** A header of version 2 with any content. @param command 0x20 LOCAL, 0x21 PROXY */
export function proxyV2(command: number, family: number, content: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length);
  return Buffer.concat([SIGNATURE, Buffer.from([command, family]), length, content]);
}

/** The addresses and ports of a header of version 2 over IPv4. */
export function tcp4(source: string): Buffer {
  const [a, b, c, d] = source.split('.').map(Number);
  return Buffer.from([a!, b!, c!, d!, 127, 0, 0, 1, 0x9c, 0x40, 0x01, 0xbb]);
}

/** The same over IPv6. @param source 32 hexadecimal digits */
export function tcp6(source: string): Buffer {
  return Buffer.concat([Buffer.from(source, 'hex'), Buffer.alloc(16, 0), Buffer.from([0x9c, 0x40, 0x01, 0xbb])]);
}

/** A TLV of version 2. */
export function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
}

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { installation } from '../installation.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** One file of the page, held in memory. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** Reads the files of the page, by the path under which they are served. */
export function readShopPage(): ReadonlyMap<string, PageFile> {
  const folder = installation.assets('demo/page');
  const files = new Map<string, PageFile>();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const body = readFileSync(new URL(name, folder));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    files.set(name === 'index.html' ? '/' : `/${name}`, { type, body, etag });
  }
  return files;
}

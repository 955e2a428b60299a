/** What `sessions.redis.url` says. */
interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly db: number;
  /** Null: none. */
  readonly username: string | null;
  readonly password: string | null;
}

/**
 * Reads `redis://[user[:password]@]host[:port][/db]`, and the same with `rediss://` for TLS (the URI schemes that IANA
 * has registered for Redis).
 * @returns what is wrong, without a word of the password
 */
export function parseRedisUrl(text: string): RedisAddress | { readonly error: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return {
      error:
        'is no address: write redis://host:port/db or rediss://host:port/db, with user:password@ before the host if need be',
    };
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    return { error: 'must begin with redis:// or rediss://' };
  if (url.hostname === '') return { error: 'names no host: write redis://host:port/db' };
  if (url.search !== '' || url.hash !== '')
    return { error: 'must end after the number of the database: redis://host:port/db' };
  const db = url.pathname.replace(/^\//, '');
  if (!/^\d{0,5}$/.test(db))
    return { error: `must end in the number of a database, such as /0, and ends in ${JSON.stringify(url.pathname)}` };
  let username: string;
  let password: string;
  try {
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    return { error: 'has a % in user or password that begins no escape: write it as %25' };
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    tls: url.protocol === 'rediss:',
    db: Number(db),
    username: username === '' ? null : username,
    password: password === '' ? null : password,
  };
}

/**
 * Talks to the shop. One request after the other: an answer that changes the session cookie is in the browser before the
 * next request leaves. Nothing here throws: no answer is an answer too (status 0).
 */
const TIMEOUT_MS = 15_000;

let last = Promise.resolve();

/** Sends a request when those before it are done; resolves with { ok, status, server, data, message }. */
export function ask(method, path, body) {
  last = last.then(() => send(method, path, body));
  return last;
}

async function send(method, path, body) {
  const init = {
    method,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    cache: 'no-store',
    headers: { accept: 'application/json' },
  };
  if (body !== undefined) {
    init.headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, init);
    const data = await response.json().catch(() => null);
    return {
      ok: response.ok && data !== null,
      status: response.status,
      server: response.headers.get('x-shop-server'),
      data,
      message: data?.error?.message ?? '',
    };
  } catch {
    return { ok: false, status: 0, server: null, data: null, message: '' };
  }
}

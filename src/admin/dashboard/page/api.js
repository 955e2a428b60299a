// Calls of the admin API. Paths are relative to the page, so that a proxy may give it a path of its own.

const STORED = 'limpet-token';
const PATIENCE_MS = 15_000;

/** An answer that refuses; `status` 0: there was none. */
class ApiProblem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The token of this tab. The browser forgets it with the tab, and no other one sees it. */
export const token = {
  get: () => sessionStorage.getItem(STORED),
  set: (text) => sessionStorage.setItem(STORED, text),
  forget: () => sessionStorage.removeItem(STORED),
};

/** One call; the JSON of its answer, null without a body. @throws ApiProblem */
export async function call(method, path, body) {
  const response = await send(path, {
    method,
    signal: AbortSignal.timeout(PATIENCE_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
  });
  const text = await response.text();
  return text === '' ? null : JSON.parse(text);
}

/** A response that was not refused; its body is the caller's. @throws ApiProblem */
export async function send(path, init = {}) {
  const secret = token.get();
  const headers = { Accept: 'application/json', ...init.headers };
  if (secret !== null) headers.Authorization = `Bearer ${secret}`;
  let response;
  try {
    response = await fetch(`api/v1/${path}`, { ...init, headers, cache: 'no-store' });
  } catch (error) {
    throw new ApiProblem(0, `limpet does not answer (${error.message}).`);
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiProblem(response.status, problem.detail ?? problem.title ?? `limpet answers ${response.status}.`);
}

/** A part of a path. */
export const part = encodeURIComponent;

/** The page needs nothing but its own style. */
export const LANDING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/** `GET /`: where to go from here. */
export const LANDING_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>limpet</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }
  code { font: 0.9em ui-monospace, monospace }
  dt { margin-top: 0.8rem }
  dd { margin: 0 0 0 1.5rem }
</style>
<h1>limpet</h1>
<p>The admin API of this load balancer.</p>
<dl>
  <dt><a href="/api/v1/status"><code>/api/v1/status</code></a></dt>
  <dd>Version, uptime, workers, listeners, sessions, requests</dd>
  <dt><a href="/api/v1/pools"><code>/api/v1/pools</code></a></dt>
  <dd>Pools with their backends; <code>PATCH /api/v1/pools/POOL/backends/ID</code> sets <code>state</code> and <code>weight</code>, <code>POST …/evacuate</code> moves the sessions that a draining one has left</dd>
  <dt><a href="/api/v1/sessions"><code>/api/v1/sessions</code></a></dt>
  <dd>Sessions, by <code>pool</code> and <code>backend</code>; <code>DELETE</code> ends one, <code>POST …/move</code> moves one</dd>
  <dt><code>/api/v1/simulate</code></dt>
  <dd><code>POST {"drain": "POOL/ID"}</code> or <code>{"config": "YAML"}</code>: which sessions would move, and where to</dd>
  <dt><code>/api/v1/reload</code></dt>
  <dd><code>POST</code>: the configuration file is read again; the answer says what changed, or what is wrong with it</dd>
  <dt><a href="/metrics"><code>/metrics</code></a></dt>
  <dd>Prometheus metrics</dd>
  <dt><a href="/healthz"><code>/healthz</code></a> · <a href="/readyz"><code>/readyz</code></a></dt>
  <dd>Probes: alive, takes traffic</dd>
</dl>
</html>
`;

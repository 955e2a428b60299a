/** Where OTLP/HTTP takes spans (OTLP specification, "OTLP/HTTP Request"). */
const TRACES = '/v1/traces';

/**
 * Reads `tracing.otlp`: `http://` or `https://`, with /v1/traces where no path is written.
 * @returns what is wrong otherwise
 */
export function parseOtlpUrl(text: string): { readonly url: string } | { readonly error: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { error: 'is no address: write http://host:4318 or https://host:4318/v1/traces' };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { error: 'must begin with http:// or https://' };
  if (url.username !== '' || url.password !== '')
    return {
      error: 'must not hold a user or password: a collector that needs one is reached by a collector beside limpet',
    };
  if (url.hash !== '') return { error: 'must not have a fragment (#…)' };
  if (url.pathname === '/') url.pathname = TRACES;
  return { url: url.href };
}

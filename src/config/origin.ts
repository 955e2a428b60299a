/** A scheme, two slashes, and a host with or without a port: no path, no user, no space, no wildcard. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/(?:\[[0-9a-f:.]+\]|[^\s/?#@:[\]\\*,]+)(?::[0-9]{1,5})?$/i;

/**
 * The one spelling of an origin, as browsers write it in `Origin` (RFC 6454 section 6.2): lower case, and no port where
 * it is the default of the scheme. Schemes that only apps have (`capacitor://localhost`, `chrome-extension://…`) are
 * taken too. Null: the text is no origin, such as one with a path or `*`.
 */
export function parseOrigin(text: string): string | null {
  if (!ORIGIN.test(text) || !URL.canParse(text)) return null;
  const { origin } = new URL(text);
  return origin === 'null' ? text.toLowerCase() : origin;
}

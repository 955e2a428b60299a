/**
 * A path that may be shown. Session keys travel in query strings (`?sid=…`) and in path parameters (`;jsessionid=8A7F`,
 * RFC 3986 section 3.3, how Java servers carry a session without a cookie): the path is cut at `?`, and parameter
 * values become `*`.
 */
export function publicPath(path: string): string {
  const query = path.indexOf('?');
  const bare = query < 0 ? path : path.slice(0, query);
  return bare.includes(';') ? bare.replace(/(;[^=/;]*=)[^/;]*/g, '$1*') : bare;
}

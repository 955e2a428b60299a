import { CliError } from './cli-error.ts';

/** A backend as a person names it. */
export interface BackendName {
  readonly pool: string;
  readonly id: string;
  /** In the admin API. */
  readonly path: string;
}

/** Reads `POOL/ID`. */
export function backendName(text: string): BackendName {
  const [pool, id, ...rest] = text.split('/');
  if (!pool || !id || rest.length > 0) {
    throw new CliError(
      `a backend is named POOL/ID, such as shop/a, not ${JSON.stringify(text)}: limpet backends lists them`,
      2,
    );
  }
  return { pool, id, path: `/api/v1/pools/${encodeURIComponent(pool)}/backends/${encodeURIComponent(id)}` };
}

import type { AdminClient } from './admin-client.ts';
import type { AdminOptions } from './admin-options.ts';

/** Opens the admin API that the options name for the duration of `use`. */
export async function withAdminClient<T>(options: AdminOptions, use: (client: AdminClient) => Promise<T>): Promise<T> {
  // Loaded now: the HTTP client is the largest part of the command line, and most commands do without it.
  const { AdminClient } = await import('./admin-client.ts');
  const client = AdminClient.open(options);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

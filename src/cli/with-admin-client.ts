import { AdminClient } from './admin-client.ts';
import type { AdminOptions } from './admin-options.ts';

/** Opens the admin API that the options name for the duration of `use`. */
export async function withAdminClient<T>(options: AdminOptions, use: (client: AdminClient) => Promise<T>): Promise<T> {
  const client = AdminClient.open(options);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/**
 * The process of one shop server. Told what to do on its command line (see shop-options.ts); speaks with its parent
 * over IPC.
 */
import { parseShopOptions, type ShopOptions } from './shop-options.ts';
import { type ShopServer, startShopServer } from './shop-server.ts';

/** What a shop server tells the process that started it. */
export type ShopMessage =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** Tells the parent why there is no shop, or the person at the terminal when there is no parent, and ends. */
function fail(status: number, code: string, message: string): void {
  if (process.send === undefined) {
    console.error(`shop: ${message}`);
    process.exit(status);
  }
  process.send({ type: 'failed', code, message } satisfies ShopMessage, () => process.exit(status));
}

async function run(): Promise<void> {
  if (process.send !== undefined) {
    // The parent is gone, however it went: nobody needs this shop any more.
    process.on('disconnect', () => process.exit(0));
    // Ctrl-C reaches the whole group; the parent stops the load balancer first and this server after it.
    process.on('SIGINT', () => {});
  }
  let options: ShopOptions;
  let shop: ShopServer;
  try {
    options = parseShopOptions(process.argv.slice(2), process.env);
  } catch (error) {
    return fail(2, 'USAGE', error instanceof Error ? error.message : String(error));
  }
  try {
    shop = await startShopServer(options);
  } catch (error) {
    const { code = 'ERROR', message } = error as NodeJS.ErrnoException;
    return fail(1, code, `cannot listen on ${options.host}:${options.port}: ${message}`);
  }
  process.on('SIGTERM', () => {
    void shop.close().then(() => process.exit(0));
  });
  if (process.send !== undefined) process.send({ type: 'ready', port: shop.port } satisfies ShopMessage);
  else console.log(`shop ${options.id}: http://${options.host}:${shop.port} (process ${process.pid})`);
}

await run();

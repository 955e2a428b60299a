import { PRODUCTS, type Product } from './shop-catalog.ts';
import type { ShopReplica } from './shop-replica.ts';
import type { SessionRecord, SessionState } from './shop-sessions.ts';

/** The command that ends this server without a goodbye, for a person to try. */
const KILL = process.platform === 'win32' ? `taskkill /F /PID ${process.pid}` : `kill -9 ${process.pid}`;

/**
 * The JSON that a visitor gets about their session: who answers, how it came here, and what is in it. Never the session
 * id: `name` is what people call it.
 */
export function shopAnswer(
  server: string,
  name: string,
  record: SessionRecord,
  state: SessionState,
  replica: ShopReplica | null,
) {
  const last = state.moves.at(-1);
  const here = last !== undefined && last.to === server ? last : null;
  const lines = state.cart.map(line);
  return {
    server,
    pid: process.pid,
    kill: KILL,
    /** Requests of this session that this server has answered. */
    servedHere: record.served,
    session: {
      name,
      startedBy: state.startedBy,
      startedBecause: state.startedBecause,
      startedAt: state.startedAt,
    },
    moved: here === null ? null : { ...here, text: `moved here from ${here.from}, reason ${here.reason}` },
    moves: state.moves,
    copy: replica === null ? null : { at: replica.id, upToDate: replica.holds(record) },
    user: state.user,
    cart: { madeAt: state.cartMadeAt, items: lines, count: count(lines), total: total(lines) },
    orders: state.orders.map((order) => {
      const items = order.items.map(line);
      return { ...order, items, count: count(items), total: total(items) };
    }),
  };
}

function line({ item, quantity }: { item: string; quantity: number }) {
  const product: Product | undefined = PRODUCTS.find((entry) => entry.item === item);
  return { item, name: product?.name ?? item, price: product?.price ?? 0, quantity };
}

function count(lines: readonly { quantity: number }[]): number {
  return lines.reduce((sum, entry) => sum + entry.quantity, 0);
}

function total(lines: readonly { quantity: number; price: number }[]): number {
  return lines.reduce((sum, entry) => sum + entry.quantity * entry.price, 0);
}

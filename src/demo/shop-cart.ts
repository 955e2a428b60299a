import { randomInt } from 'node:crypto';
import { PRODUCTS } from './shop-catalog.ts';
import { ShopError } from './shop-error.ts';
import type { SessionState } from './shop-sessions.ts';

const MAX_QUANTITY = 99;
const MAX_NAME = 40;
const MAX_ORDERS = 5;
/** No I, L, O, U: an order number is read out on the telephone. */
const ORDER_LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ITEMS = PRODUCTS.map((product) => product.item).join(', ');

/**
 * What a visitor does to a session. Each function checks its input and throws a ShopError (4xx) before it changes
 * anything.
 */
export const shopCart = {
  /** Puts `{item, quantity}` of a request body into the cart of a session that `server` holds. */
  add(state: SessionState, body: Record<string, unknown>, server: string): void {
    const { item, quantity = 1 } = body;
    if (typeof item !== 'string' || !isKnown(item)) throw unknownItem(item);
    if (typeof quantity !== 'number' || !Number.isInteger(quantity) || quantity < 1 || quantity > MAX_QUANTITY) {
      throw new ShopError(422, 'bad-quantity', `"quantity" must be a whole number from 1 to ${MAX_QUANTITY}.`);
    }
    const line = state.cart.find((entry) => entry.item === item);
    const had = line === undefined ? 0 : line.quantity;
    if (had + quantity > MAX_QUANTITY) {
      const more = `the cart holds ${had} of "${item}" already and takes at most ${MAX_QUANTITY}`;
      throw new ShopError(422, 'bad-quantity', `Too many: ${more}.`);
    }
    if (state.cart.length === 0) state.cartMadeAt = server;
    if (line === undefined) state.cart.push({ item, quantity });
    else line.quantity += quantity;
  },

  /**
   * Takes an item out of the cart; says whether it was there. Asking twice is fine: DELETE is idempotent (RFC 9110,
   * 9.2.2), so a load balancer may send it again at the replica that has seen the first one already.
   */
  remove(state: SessionState, item: string): boolean {
    if (!isKnown(item)) throw unknownItem(item);
    const index = state.cart.findIndex((entry) => entry.item === item);
    if (index < 0) return false;
    state.cart.splice(index, 1);
    if (state.cart.length === 0) state.cartMadeAt = null;
    return true;
  },

  /** Turns the cart into an order and empties it. */
  checkout(state: SessionState, server: string, now: number): void {
    if (state.cart.length === 0) throw new ShopError(409, 'cart-empty', 'The cart is empty: put something in first.');
    state.orders.unshift({ number: orderNumber(server), items: state.cart, server, at: now });
    state.orders.length = Math.min(state.orders.length, MAX_ORDERS);
    state.cart = [];
    state.cartMadeAt = null;
  },

  /** The name in the body of a log-in request, trimmed. */
  readName(body: Record<string, unknown>): string {
    const name = typeof body.name === 'string' ? body.name.normalize().trim() : '';
    if (name === '' || [...name].length > MAX_NAME || /\p{C}/u.test(name)) {
      throw new ShopError(
        422,
        'bad-name',
        `"name" must have 1 to ${MAX_NAME} characters, none of them a control character.`,
      );
    }
    return name;
  },
};

function isKnown(item: string): boolean {
  return PRODUCTS.some((product) => product.item === item);
}

function unknownItem(item: unknown): ShopError {
  const said = typeof item === 'string' ? JSON.stringify(item.slice(0, 40)) : 'not a string';
  return new ShopError(422, 'unknown-item', `"item" is ${said}; this shop has: ${ITEMS}.`);
}

function orderNumber(server: string): string {
  let code = '';
  for (let i = 0; i < 6; i++) code += ORDER_LETTERS[randomInt(ORDER_LETTERS.length)];
  return `${server.toUpperCase()}-${code}`;
}

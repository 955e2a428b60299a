/**
 * A shop, as one of several servers: catalogue, cart, log-in, check-out. Carts are in its memory, under its own cookie,
 * and on one other server (see CopiedSessions). It gives its cookie a new value at each log-in, and says by Limpet-User
 * who has logged in.
 */
import { CopiedSessions } from '../copied-sessions.ts';
import { type Reply, serveSite, type Visit } from '../site.ts';

interface Customer {
  readonly name: string | null;
  readonly cart: readonly string[];
  readonly orders: readonly string[];
}

const COOKIE = 'basket';
const PASSWORDS: Readonly<Record<string, string>> = { ada: 'lovelace', mallory: 'malice' };
const STRANGER: Customer = { name: null, cart: [], orders: [] };

const sessions = new CopiedSessions<Customer>();

serveSite(async (visit): Promise<Reply> => {
  const { method, path, form, response } = visit;
  if (path === '/static/logo.svg') {
    response.setHeader('Cache-Control', 'public, max-age=3600');
    return { html: '<svg></svg>' };
  }
  let id = visit.cookies.get(COOKIE);
  const known = sessions.get(id);
  if (id === undefined || known === undefined) {
    id = await sessions.begin(STRANGER);
    setCookie(visit, id);
  }
  const customer = known ?? STRANGER;
  switch (`${method} ${path}`) {
    case 'GET /':
      return page(
        visit,
        customer,
        '<form method=post action=/cart><button name=item value=lamp>Buy a lamp</button></form>',
      );
    case 'GET /cart':
      return page(visit, customer, list(customer.cart));
    case 'POST /cart':
      await sessions.keep(id, { ...customer, cart: [...customer.cart, form.get('item') ?? ''] });
      return { goTo: '/cart' };
    case 'GET /login':
      return page(visit, customer, '<form method=post><input name=user><input name=password></form>');
    case 'POST /login': {
      const name = form.get('user') ?? '';
      if (PASSWORDS[name] !== form.get('password')) return { status: 401, html: '<p>Wrong password</p>' };
      await sessions.drop(id);
      setCookie(visit, await sessions.begin({ ...customer, name }));
      response.setHeader('Limpet-User', name);
      return { goTo: '/cart' };
    }
    case 'GET /checkout':
      if (customer.name === null) return { goTo: '/login' };
      return page(visit, customer, `${list(customer.cart)}<form method=post><button>Buy</button></form>`);
    case 'POST /checkout': {
      if (customer.name === null) return { goTo: '/login' };
      const orders = [...customer.orders, customer.cart.join(', ')];
      await sessions.keep(id, { ...customer, cart: [], orders });
      return { goTo: `/orders` };
    }
    case 'GET /orders':
      if (customer.name === null) return { goTo: '/login' };
      return page(visit, customer, list(customer.orders));
    case 'POST /logout':
      await sessions.drop(id);
      response.appendHeader('Set-Cookie', `${COOKIE}=; Path=/; Max-Age=0`);
      return { goTo: '/' };
    default:
      return { status: 404, html: '<p>No such page</p>' };
  }
});

function setCookie({ response }: Visit, id: string): void {
  response.setHeader('Set-Cookie', `${COOKIE}=${id}; Path=/; HttpOnly`);
}

/** Each page says who is logged in, and after a failover that the server is another one. */
function page({ headers }: Visit, { name }: Customer, body: string): Reply {
  const moved = headers['limpet-session-moved'];
  return { html: `<h1>${name ?? 'stranger'}</h1>${moved === undefined ? '' : `<em>${String(moved)}</em>`}${body}` };
}

function list(items: readonly string[]): string {
  return `<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`;
}

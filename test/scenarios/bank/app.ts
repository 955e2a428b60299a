/**
 * Online banking, as one of several servers: log-in, account, a transfer in two steps. What a customer is about to send
 * is in its memory, and on one other server (see CopiedSessions). It holds its session to the one that limpet tells it
 * of: when that one is over, so is its own.
 */
import { setTimeout as booking } from 'node:timers/promises';
import { CopiedSessions } from '../copied-sessions.ts';
import { type Reply, serveSite, type Visit } from '../site.ts';

interface Customer {
  readonly name: string;
  /** The id that limpet tells of; null until the first request after the log-in, which has got another one. */
  readonly session: string | null;
  readonly draft: string | null;
  readonly sent: readonly string[];
}

const COOKIE = 'customer';
const PINS: Readonly<Record<string, string>> = { alice: '4711', bob: '0815' };
const BOOKING_MS = 30;

const sessions = new CopiedSessions<Customer>();

serveSite(async (visit): Promise<Reply> => {
  const { method, path, query, form, response, headers } = visit;
  if (path === '/login') {
    if (method === 'GET')
      return { html: `<em>${query.get('after') ?? ''}</em><form method=post><input name=user><input name=pin></form>` };
    const name = form.get('user') ?? '';
    if (PINS[name] !== form.get('pin')) return { status: 401, html: '<p>Wrong PIN</p>' };
    await sessions.drop(visit.cookies.get(COOKIE));
    const id = await sessions.begin({ name, session: null, draft: null, sent: [] });
    response.setHeader('Set-Cookie', `${COOKIE}=${id}; Path=/; Secure; HttpOnly; SameSite=Strict`);
    response.setHeader('Limpet-User', name);
    return { goTo: '/account' };
  }
  const known = await customerOf(visit);
  if (known === null) return { goTo: `/login?after=${String(headers['limpet-session-expired'] ?? '')}` };
  const { id, customer } = known;
  switch (`${method} ${path}`) {
    case 'GET /account':
      return page(customer, `<ul>${customer.sent.map((one) => `<li>${one}</li>`).join('')}</ul>`);
    case 'POST /transfer':
      await sessions.keep(id, { ...customer, draft: `${form.get('amount')} to ${form.get('to')}` });
      return { goTo: '/confirm' };
    case 'GET /confirm':
      return page(
        customer,
        `<p>${customer.draft ?? 'Nothing to send'}</p><form method=post><button>Send</button></form>`,
      );
    case 'POST /confirm': {
      if (customer.draft === null) return { status: 409, html: '<p>Nothing to send</p>' };
      await booking(BOOKING_MS);
      await sessions.keep(id, { ...customer, draft: null, sent: [...customer.sent, customer.draft] });
      return { goTo: '/account' };
    }
    case 'POST /logout':
      await sessions.drop(id);
      response.setHeader('Set-Cookie', `${COOKIE}=; Path=/; Max-Age=0`);
      return { goTo: '/login' };
    default:
      return { status: 404, html: '<p>No such page</p>' };
  }
});

/** Who it is; null: nobody, or somebody whose session is over. */
async function customerOf({ cookies, headers }: Visit): Promise<{ id: string; customer: Customer } | null> {
  const id = cookies.get(COOKIE);
  const customer = sessions.get(id);
  if (id === undefined || customer === undefined) return null;
  const session = String(headers['limpet-session'] ?? '');
  if (customer.session === session) return { id, customer };
  const over = customer.session !== null || session === '' || headers['limpet-session-expired'] !== undefined;
  if (over) {
    await sessions.drop(id);
    return null;
  }
  const bound = { ...customer, session };
  await sessions.keep(id, bound);
  return { id, customer: bound };
}

function page({ name }: Customer, body: string): Reply {
  return { html: `<h1>${name}</h1>${body}` };
}

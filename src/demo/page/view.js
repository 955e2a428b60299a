/** Puts what the shop said on the page. Lists are made again only when they changed, so that focus stays where it is. */
import { tint } from './tint.js';

const money = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'EUR' });
const ART_HUES = { mug: 230, lamp: 60, compass: 90, blanket: 200, kettle: 155, notebook: 265 };
const shown = new Map();

export const byId = (id) => document.getElementById(id);

/** The product grid; `add(item)` is called when somebody buys. */
export function showProducts(products, add) {
  const cards = products.map(({ item, name, blurb, price }) => {
    const button = make('button', {
      type: 'button',
      className: 'main',
      textContent: 'Add',
      ariaLabel: `Add ${name} to the cart`,
    });
    button.addEventListener('click', () => add(item, name));
    const art = drawing(item, 'art tinted');
    art.style.setProperty('--hue', String(ART_HUES[item] ?? 200));
    const buy = make(
      'div',
      { className: 'buy' },
      make('span', { className: 'price', textContent: money.format(price / 100) }),
      button,
    );
    const heading = make('h3', { textContent: name });
    const text = make('div', { className: 'text' }, heading, make('p', { textContent: blurb }), buy);
    return make('li', { className: 'product' }, art, text);
  });
  byId('products').replaceChildren(...cards);
}

/** The answering server, the session and the cart. `remove(item, name)` is called when somebody takes a line out. */
export function showState(state, stream, remove) {
  const badge = byId('badge');
  if (badge.textContent !== state.server) {
    badge.classList.remove('arrived');
    void badge.offsetWidth; // Starts the animation again.
    badge.classList.add('tinted', 'arrived');
    badge.textContent = state.server;
    tint(badge, state.server);
  }
  badge.classList.remove('waiting');
  text('now-title', `Server ${state.server} answers you`);
  text('kill', state.kill);
  showMoved(state);
  showFacts(state, stream);
  showAccount(state.user);
  showCart(state.cart, remove);
  showOrders(state.orders);
}

/** Nobody has answered for a while. */
export function showWaiting() {
  byId('badge').classList.add('waiting');
  text('now-title', 'Waiting for an answer …');
}

/** The panel of all servers. */
export function showServers(servers, current) {
  const panel = byId('servers');
  changed('servers', [servers, current], () => {
    panel.replaceChildren(
      ...servers.map(({ id, up, sessions, copies }) => {
        const here = id === current;
        const item = make('li', { className: `tinted${here ? ' here' : ''}${up === false ? ' down' : ''}` });
        tint(item, id);
        const word = up === false ? 'down' : up === null ? 'asking' : here ? 'answers you' : 'up';
        const counts = up ? `${count(sessions, 'session')}, ${count(copies, 'copy', 'copies')}` : 'memory lost';
        item.append(
          make('span', { className: 'letter', textContent: id }),
          make('span', { className: 'state', textContent: word }),
          make('span', { className: 'counts', textContent: up === null ? '' : counts }),
        );
        return item;
      }),
    );
  });
}

/** A short message at the bottom, read aloud too. */
export function say(message) {
  const toast = byId('toast');
  toast.textContent = message;
  toast.classList.add('shown');
  clearTimeout(say.timer);
  say.timer = setTimeout(() => toast.classList.remove('shown'), 5000);
}

function showMoved({ moved, session, cart, server }) {
  const line = byId('now-moved');
  const isLost = session.startedBecause === 'state-lost' && session.startedBy === server;
  line.hidden = moved === null && !isLost;
  line.classList.toggle('lost', isLost);
  if (isLost) line.textContent = 'No copy of your session was left: this is a fresh one.';
  else if (moved !== null) {
    const came = cart.count > 0 ? 'Your cart came with you.' : 'Your session came with you.';
    line.textContent = `Moved here from ${moved.from} (${moved.reason}). ${came}`;
  }
}

function showFacts({ servedHere, cart, copy, session }, stream) {
  const facts = [
    `${count(servedHere, 'request')} answered here`,
    `session ${session.name}`,
    copy === null ? 'no replica' : copy.upToDate ? `copied to ${copy.at}` : `not yet copied to ${copy.at}`,
  ];
  if (cart.madeAt !== null) facts.push(`cart first made at ${cart.madeAt}`);
  if (stream !== null) facts.push(`live stream from ${stream.server}, tick ${stream.tick}`);
  changed('facts', facts, () =>
    byId('facts').replaceChildren(...facts.map((fact) => make('li', { textContent: fact }))),
  );
}

function showAccount(user) {
  byId('hello').hidden = user === null;
  byId('log-out').hidden = user === null;
  byId('log-in').hidden = user !== null;
  if (user !== null) text('hello', `Hello, ${user}`);
}

function showCart(cart, remove) {
  changed('cart', cart, () => {
    const lines = cart.items.map(({ item, name, price, quantity }) => {
      const button = make('button', { type: 'button', textContent: '×', ariaLabel: `Take ${name} out of the cart` });
      button.addEventListener('click', () => remove(item, name));
      const label = make('span', {}, make('span', { className: 'quantity', textContent: `${quantity} × ` }), name);
      const sum = make('span', { textContent: money.format((price * quantity) / 100) });
      return make('li', {}, drawing(item, ''), label, sum, button);
    });
    byId('lines').replaceChildren(...lines);
    byId('cart-empty').hidden = cart.count > 0;
    byId('sum').hidden = cart.count === 0;
    byId('check-out').disabled = cart.count === 0;
    text('total', money.format(cart.total / 100));
    text('basket-count', String(cart.count));
  });
}

function showOrders(orders) {
  changed('orders', orders, () => {
    const items = orders.map(({ number, count: pieces, total, server }) => {
      const rest = ` ${count(pieces, 'piece')}, ${money.format(total / 100)}, taken by server ${server}`;
      return make('li', {}, make('strong', { textContent: `Order ${number}` }), rest);
    });
    byId('orders').replaceChildren(...items);
  });
}

function changed(name, value, show) {
  const now = JSON.stringify(value);
  if (shown.get(name) === now) return;
  shown.set(name, now);
  show();
}

function text(id, value) {
  const element = byId(id);
  if (element.textContent !== value) element.textContent = value;
}

function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function drawing(item, className) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', className);
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#art-${item}`);
  svg.append(use);
  return svg;
}

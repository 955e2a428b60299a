/** The shop page: looks at the shop every second, does what the visitor asks, and tells what happened. START READING HERE. */
import { ask } from './client.js';
import { noteEvent, noteRequest, requestNumber, showTimeline } from './timeline.js';
import { byId, say, showProducts, showServers, showState, showWaiting } from './view.js';

const LOOK_MS = 1000;
/** A request is a hiccup until nobody has answered for so long. */
const PATIENCE_MS = 4000;

let state = null;
let stream = null;
let answeredAt = Date.now();
/** id -> whether it was up, as the shop said last; 'gone': it died, but the others may not have noticed yet. */
const up = new Map();

/** Takes in the answer about the session: what it is now, and what has happened since the last one. */
function take(next, what) {
  const before = state;
  state = next;
  answeredAt = Date.now();
  noteRequest(next.server, what);
  if (before === null) {
    if (requestNumber() === 1) noteEvent(`Welcome: server ${next.server} keeps your session`, next.server);
  } else noteMove(before, next);
  showState(next, stream, removeItem);
}

function noteMove(before, next) {
  const { moved, session, server, cart } = next;
  const isFresh = session.startedAt !== before.session.startedAt;
  if (isFresh && session.startedBecause === 'state-lost') {
    noteEvent(`Server ${server} had no copy of your session: you have a fresh one`, server, true);
    return;
  }
  if (server === before.server) return;
  const came = before.cart.count === 0 ? 'your session' : 'your cart';
  const withYou = cart.count === before.cart.count ? `${came} came with you` : 'the cart is not as it was';
  const died = moved?.reason.startsWith('backend-') ? `Server ${before.server} went away: you` : 'You';
  if (died !== 'You') up.set(before.server, 'gone');
  noteEvent(`${died} were moved to ${server}, ${withYou}`, server);
  say(`You were moved to server ${server}, ${withYou}.`);
}

function takeServers({ servers, server }) {
  for (const { id, up: isUp } of servers) {
    const was = up.get(id);
    if (isUp === null || (isUp && was === 'gone')) continue;
    if (was === true && !isUp) noteEvent(`Server ${id} went away`, id, true);
    if (was === false && isUp) noteEvent(`Server ${id} is back, with an empty memory: nobody is moved to it`, id);
    up.set(id, isUp);
  }
  showServers(servers, server);
}

/** One look at the shop. What fails is asked again at the next look: the visitor is told only when nobody answers for long. */
async function look() {
  const answer = await ask('GET', '/api/state');
  if (answer.ok) take(answer.data, null);
  const servers = await ask('GET', '/api/servers');
  if (servers.ok) takeServers(servers.data);
}

/**
 * Does what the visitor asked. A POST that a dying server may have seen is not sent twice blindly, by limpet neither:
 * `isDone(state)` looks whether it took effect, and only if not is it sent again.
 */
async function act(what, method, path, body, isDone) {
  for (let tries = 1; tries <= 3; tries++) {
    const answer = await ask(method, path, body);
    if (answer.ok) return answer;
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 409) {
      say(answer.message || 'The shop did not take that.');
      return null;
    }
    const now = await ask('GET', '/api/state');
    if (now.ok) take(now.data, `after a broken one (${what})`);
    if (now.ok && isDone(now.data)) return now;
  }
  say('The shop is not answering right now. Nothing was changed: please try again.');
  return null;
}

async function change(what, method, path, body, isDone, done) {
  const answer = await act(what, method, path, body, isDone);
  if (answer === null) return;
  take(answer.data, what);
  if (done !== '') say(done);
}

function quantity(of, item) {
  return of?.cart.items.find((line) => line.item === item)?.quantity ?? 0;
}

function addItem(item, name) {
  const want = quantity(state, item) + 1;
  const isDone = (now) => quantity(now, item) >= want;
  return change(`adding ${name}`, 'POST', '/api/cart', { item, quantity: 1 }, isDone, `${name} is in your cart.`);
}

function removeItem(item, name) {
  const isDone = (now) => quantity(now, item) === 0;
  return change(`taking out ${name}`, 'DELETE', `/api/cart/${encodeURIComponent(item)}`, undefined, isDone, '');
}

function checkOut() {
  const before = state?.orders[0]?.number;
  const isDone = (now) => now.orders[0]?.number !== before;
  return change('check-out', 'POST', '/api/checkout', undefined, isDone, 'Thank you: your order is placed.');
}

async function logIn(name) {
  const before = state?.session.name;
  await change('log-in', 'POST', '/api/login', { name }, (now) => now.user === name, '');
  if (state?.user !== name) return;
  // The first request under the new id is the one that tells it.
  await look();
  const { name: now } = state.session;
  if (now !== before) noteEvent(`You logged in: your session is ${now} now, with the same cart`, state.server);
  say(`Hello, ${name}. New session id, same cart.`);
}

async function logOut() {
  const answer = await act('log-out', 'POST', '/api/logout', undefined, (now) => now.user === null);
  if (answer === null) return;
  noteEvent('You logged out: that session is gone', answer.server);
  state = null;
  await look();
  say('You are logged out.');
}

async function copyCommand() {
  const command = byId('kill').textContent;
  try {
    await navigator.clipboard.writeText(command);
    say('Copied. Paste it into a terminal.');
  } catch {
    // No clipboard on a page that is neither https nor localhost: select it instead.
    getSelection().selectAllChildren(byId('kill'));
    say('Selected: press Ctrl+C or ⌘C to copy it.');
  }
}

/** The live stream. Open only while the page is in front: a browser allows six connections to a server over all its tabs. */
function followStream() {
  let source = null;
  const follow = () => {
    source?.close();
    source = null;
    stream = null;
    if (document.hidden) return;
    source = new EventSource('/api/events');
    source.addEventListener('tick', (event) => {
      stream = JSON.parse(event.data);
    });
    source.addEventListener('error', () => {
      stream = null;
      // The browser connects again by itself, unless an answer told it not to.
      if (source?.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
    });
  };
  document.addEventListener('visibilitychange', follow);
  follow();
}

async function start() {
  showTimeline();
  byId('check-out').addEventListener('click', checkOut);
  byId('copy').addEventListener('click', copyCommand);
  byId('log-out').addEventListener('click', logOut);
  const dialog = byId('log-in-dialog');
  byId('log-in').addEventListener('click', () => dialog.showModal());
  byId('log-in-cancel').addEventListener('click', () => dialog.close());
  byId('log-in-form').addEventListener('submit', () => logIn(byId('name').value.trim()));

  setInterval(() => {
    if (Date.now() - answeredAt > PATIENCE_MS) showWaiting();
  }, 500);

  let products = null;
  let follows = false;
  for (;;) {
    const began = Date.now();
    await look();
    if (products === null) {
      const answer = await ask('GET', '/api/products');
      if (answer.ok) {
        products = answer.data.products;
        showProducts(products, addItem);
      }
    }
    if (!follows && state !== null) {
      follows = true;
      followStream();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(50, LOOK_MS - (Date.now() - began))));
  }
}

start();

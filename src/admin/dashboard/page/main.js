// The dashboard: looks at the admin API every two seconds and listens to its events. It uses nothing else.
import { call, token } from './api.js';
import { ask } from './ask.js';
import { duration, make, number, rate, say, sayPill } from './dom.js';
import { listen } from './feed.js';
import { showPools } from './pools.js';
import { Rates } from './rates.js';
import { lookAtSessions, notePools, startSessions } from './sessions.js';

const EVERY_MS = 2_000;
/** What an event changes shows soon, and many of them cost one look. */
const SOON_MS = 150;

const $ = (id) => document.getElementById(id);
const rates = new Rates();
const figures = new Map();
let timer = 0;
/** The look that is under way: a promise, or null. */
let looking = null;
let again = false;
let listening = false;

/** Runs a change and looks at what it did; what goes wrong is shown. */
async function act(change) {
  try {
    await change();
    trouble('');
  } catch (error) {
    failed(error);
    return;
  }
  // One that is under way may have seen what was before the change.
  await looking;
  await look();
}

function trouble(text) {
  say($('trouble'), text);
  $('trouble').hidden = text === '';
}

function failed(error) {
  if (error.status === 401) return askForToken();
  if (error.status === 0) sayPill($('state'), 'unreachable');
  trouble(error.message);
}

/** @returns done when what it saw is shown; the look that is under way, if there is one */
function look() {
  if (looking === null) looking = lookOnce();
  else again = true;
  return looking;
}

async function lookOnce() {
  clearTimeout(timer);
  try {
    const [status, { pools }] = await Promise.all([call('GET', 'status'), call('GET', 'pools')]);
    $('token').hidden = true;
    $('live').hidden = false;
    $('forget').hidden = token.get() === null;
    rates.take(pools, performance.now());
    showStatus(status, pools);
    showPools(pools, rates, act);
    notePools(pools);
    await lookAtSessions();
    if (!listening) {
      listening = true;
      void listen(() => soon()).then(() => (listening = false));
    }
    if ($('trouble').dataset.kind === 'look') trouble('');
    $('trouble').dataset.kind = '';
  } catch (error) {
    failed(error);
    $('trouble').dataset.kind = 'look';
    if (error.status === 401) return;
  } finally {
    looking = null;
  }
  const wait = again ? SOON_MS : EVERY_MS;
  again = false;
  timer = setTimeout(tick, wait);
}

/** Nobody sees a page that is hidden. */
function tick() {
  if (!document.hidden) void look();
}

function soon() {
  if (looking !== null) again = true;
  else {
    clearTimeout(timer);
    timer = setTimeout(tick, SOON_MS);
  }
}

function showStatus(status, pools) {
  sayPill($('state'), status.state);
  $('reload').hidden = !status.reloadable;
  figure('Requests/s', rate(rates.total(pools)));
  figure('Active', number(status.activeRequests));
  figure('Sessions', number(status.sessions));
  figure('Connections', number(status.listeners.reduce((sum, { connections }) => sum + connections, 0)));
  const restarts = status.workerRestarts === 0 ? '' : ` (${number(status.workerRestarts)} started again)`;
  figure('Workers', `${number(status.workers)}${restarts}`);
  figure('Up for', duration(status.uptime));
  const { store } = status;
  if (store.type !== 'memory') figure('Store', store.up ? `${store.type} up` : `${store.type} down`);
  figure('Version', status.version);
}

function figure(name, text) {
  let value = figures.get(name);
  if (value === undefined) {
    value = make('dd');
    figures.set(name, value);
    $('figures').append(make('div', {}, make('dt', {}, name), value));
  }
  say(value, text);
}

function askForToken() {
  const wrong = token.get() !== null;
  token.forget();
  $('live').hidden = true;
  $('forget').hidden = true;
  if ($('token').hidden) $('token-field').value = '';
  $('token').hidden = false;
  sayPill($('state'), 'needs a token');
  trouble(wrong ? 'This is not the token.' : '');
  $('token-field').focus();
}

$('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token.set($('token-field').value.trim());
  $('token-field').value = '';
  trouble('');
  void look();
});

$('forget').addEventListener('click', () => {
  token.forget();
  // A page without the token holds nothing that it has shown.
  location.reload();
});

$('reload').addEventListener('click', async () => {
  const text = 'limpet reads its configuration file again. A file with a mistake changes nothing.';
  if ((await ask({ title: 'Reload the configuration?', text, button: 'Reload it' })) === null) return;
  await act(() => call('POST', 'reload', {}));
});

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) soon();
});

startSessions(act);
void look();

// The events as they happen. EventSource cannot send the token: this reads the same stream by fetch.
import { send } from './api.js';
import { clock, make, number, say } from './dom.js';

const MOST = 200;
const RECENT = 50;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** limpet says something every 15 s; a connection that is silent for longer is dead. */
const SILENCE_MS = 40_000;

let lastId = '';

/** Listens for good. @param onEvent called with the name of each event that has just happened */
export async function listen(onEvent) {
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    try {
      await read(onEvent, () => (pause = FIRST_PAUSE_MS));
    } catch (error) {
      // The page asks for the token, and begins to listen again with it.
      if (error.status === 401) return say(document.getElementById('feed-state'), 'needs the token');
    }
    say(document.getElementById('feed-state'), 'connection lost, trying again');
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

async function read(onEvent, onOpen) {
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), SILENCE_MS);
  try {
    const response = await send(lastId === '' ? `events?recent=${RECENT}` : 'events', {
      headers: { Accept: 'text/event-stream', ...(lastId === '' ? {} : { 'Last-Event-ID': lastId }) },
      signal: stop.signal,
    });
    onOpen();
    say(document.getElementById('feed-state'), 'live');
    let rest = '';
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), SILENCE_MS);
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) take(block, onEvent);
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

function take(block, onEvent) {
  const fields = new Map(
    block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const name = fields.get('event');
  if (name === undefined) return;
  lastId = fields.get('id') ?? lastId;
  const data = JSON.parse(fields.get('data'));
  const feed = document.getElementById('feed');
  const time = data.time ?? new Date().toISOString();
  feed.prepend(
    make(
      'li',
      { 'data-event': name },
      make('time', { datetime: time }, clock(time)),
      make('span', {}, describe(name, data)),
    ),
  );
  while (feed.children.length > MOST) feed.lastElementChild.remove();
  onEvent(name);
}

function describe(name, data) {
  const backend = `${data.pool}/${data.backend}`;
  switch (name) {
    case 'health':
      return data.to === 'unknown'
        ? `Health of ${backend} is unknown: ${data.reason}`
        : `${backend} is ${data.to}: ${data.reason}`;
    case 'backend-restarted':
      return `${backend} was restarted (${data.sign}): its sessions go to a replica that has their state`;
    case 'failover':
      return `${sessions(data.count)} of ${data.pool} moved from ${data.from} to ${data.to}: ${data.reason}`;
    case 'binding-mismatch':
      return `${number(data.count)} requests in ${data.pool} used a session that is bound to another client: ${data.action}`;
    case 'session-ended':
      return `${one(data)} ended${data.pool === null ? '' : ` in ${data.pool}`}: ${data.reason}`;
    case 'session-moved':
      return `${one(data)} of ${data.pool} moved from ${data.from ?? 'a backend that is gone'} to ${data.to} by an operator`;
    case 'backend-changed':
      return `${backend}: ${wish(data.before)} → ${wish(data.after)} by an operator`;
    case 'backend-evacuated':
      return `${backend} evacuated by an operator: ${sessions(data.moved)} moved, ${number(data.stayed)} stayed`;
    case 'reload':
      return data.ok ? reloaded(data) : `Configuration refused, nothing has changed: ${data.errors[0]?.message ?? ''}`;
    case 'worker-restart':
      return `A worker ended and is started again (${number(data.restarts)} since the start)`;
    case 'store':
      return data.up ? 'The session store is up again' : 'The session store is down: limpet goes on by itself';
    case 'state':
      return `limpet is ${data.state}`;
    case 'missed':
      return data.count === null ? 'limpet was started again' : `${number(data.count)} events were missed`;
    default:
      return `${name} ${JSON.stringify(data)}`;
  }
}

const sessions = (count) => `${number(count)} session${count === 1 ? '' : 's'}`;
const one = ({ key, count }) => (key === undefined ? sessions(count) : `Session ${key}`);
const wish = ({ state, weight }) => `${state}, weight ${weight}`;

function reloaded({ changed, changes }) {
  if (changed === 0) return 'Configuration read again: nothing changed';
  const more = changed > changes.length ? ' and more' : '';
  return `Configuration changed: ${changes.map(({ path }) => path).join(', ')}${more}`;
}

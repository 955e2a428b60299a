import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mock, test } from 'node:test';
import { type EventSink, EventStream } from '../../../src/admin/events/event-stream.ts';

/** A listener that notes what it is told; as slow as a test says. */
class Listener extends EventEmitter {
  text = '';
  writableLength = 0;
  state: 'open' | 'ended' | 'destroyed' = 'open';

  write(text: string): boolean {
    this.text += text;
    return true;
  }

  end(): void {
    this.state = 'ended';
  }

  destroy(): void {
    this.state = 'destroyed';
  }

  /** What `count` events said. */
  get counts(): unknown[] {
    return [...this.text.matchAll(/^data: (.*)$/gm)].map(([, data]) => (JSON.parse(data!) as { count: unknown }).count);
  }

  get ids(): string[] {
    return [...this.text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id!);
  }
}

const NOW = Date.UTC(2026, 0, 31, 12);
const stream = (options = {}): EventStream => new EventStream({ now: () => NOW, kept: 4, ...options });
const tell = (events: EventStream, ...counts: number[]): void => {
  for (const count of counts) events.publish({ event: 'worker-restart', count, restarts: count });
};
const listen = (events: EventStream, from = {}): Listener => {
  const listener = new Listener();
  events.listen(listener as unknown as EventSink, from);
  return listener;
};

test('an event has an id, a name, and JSON data with its time', () => {
  const events = stream();
  const listener = listen(events);
  events.publish({ event: 'health', pool: 'shop', backend: 'a', to: 'down', reason: 'a\nb' });
  assert.match(listener.text, /^retry: \d+\n: limpet\n\nid: [0-9a-z]+-1\nevent: health\ndata: \{.*\}\n\n$/);
  assert.deepEqual(JSON.parse(/^data: (.*)$/m.exec(listener.text)![1]!), {
    time: '2026-01-31T12:00:00.000Z',
    pool: 'shop',
    backend: 'a',
    to: 'down',
    reason: 'a\nb',
  });
});

test('who is new hears what happens from now on, or the latest events first when it asks for them', () => {
  const events = stream();
  tell(events, 1, 2, 3);
  const fresh = listen(events);
  const curious = listen(events, { recent: 2 });
  tell(events, 4);
  assert.deepEqual([fresh.counts, curious.counts], [[4], [2, 3, 4]]);
});

test('who comes back with its Last-Event-ID hears exactly what it has missed', () => {
  const events = stream();
  const before = listen(events);
  tell(events, 1, 2);
  before.emit('close');
  assert.equal(events.listeners, 0);
  tell(events, 3, 4);
  const after = listen(events, { lastId: before.ids.at(-1) });
  tell(events, 5);
  assert.deepEqual(
    [before.counts, after.counts],
    [
      [1, 2],
      [3, 4, 5],
    ],
  );
  assert.deepEqual(listen(events, { lastId: after.ids.at(-1) }).counts, []);
});

test('what is not kept any more is said to be missing, and so is another limpet', () => {
  const events = stream();
  tell(events, 1, 2, 3, 4, 5, 6);
  const [epoch] = listen(events, { recent: 1 }).ids[0]!.split('-');
  const late = listen(events, { lastId: `${epoch}-1` });
  assert.match(late.text, /event: missed\ndata: \{"count":1\}\n\nid/);
  assert.deepEqual(late.counts, [1, 3, 4, 5, 6]);
  assert.deepEqual(listen(events, { lastId: `${epoch}-2` }).counts, [3, 4, 5, 6]);
  for (const lastId of ['0-3', `${epoch}-7`, 'nonsense', `${epoch}-`, `${epoch}--1`]) {
    const stranger = listen(events, { lastId });
    assert.deepEqual(stranger.counts, [null, 3, 4, 5, 6], lastId);
  }
});

test('a listener that does not read is dropped, and the others hear all (62)', () => {
  const events = stream({ mostWaitingBytes: 1000 });
  const quick = listen(events);
  const slow = listen(events);
  tell(events, 1);
  slow.writableLength = 1001;
  tell(events, 2, 3);
  assert.deepEqual([quick.counts, slow.counts, slow.state, events.listeners], [[1, 2, 3], [1], 'destroyed', 1]);
});

test('no more listeners than may; a place is free again when one leaves or breaks', () => {
  const events = stream({ mostListeners: 2 });
  const [one, other] = [listen(events), listen(events)];
  assert.match(String(events.full), /^2 listen already/);
  one.emit('close');
  assert.equal(events.full, null);
  other.emit('error', new Error('broken'));
  assert.equal(events.listeners, 0);
});

test('who listens hears a comment now and then, and nothing is left running without listeners', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const events = stream({ heartbeatMs: 100 });
    const listener = listen(events);
    mock.timers.tick(250);
    assert.equal(listener.text.match(/^: still here$/gm)?.length, 2);
    listener.emit('close');
    mock.timers.tick(1000);
    assert.equal(listener.text.match(/^: still here$/gm)?.length, 2);
  } finally {
    mock.timers.reset();
  }
});

test('a close ends what everybody listens to, and nobody may listen any more', () => {
  const events = stream();
  const listener = listen(events);
  events.close();
  tell(events, 1);
  assert.deepEqual([listener.state, listener.counts, events.full], ['ended', [], 'limpet is stopping.']);
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import type { RequestText } from '../../../src/client/http2/request-text.ts';
import type { ResponseOptions, StreamPort } from '../../../src/client/http2/stream-port.ts';
import { type StreamOwner, VirtualConnection } from '../../../src/client/http2/virtual-connection.ts';

/** A stream of no engine: notes what it is told to send. */
class OwnStream extends Duplex implements StreamPort {
  readonly sent: string[] = [];
  aborted = false;
  rstCode: number | undefined = undefined;
  #trailersDue = false;

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.sent.push(`data ${bytes.toString('latin1')}`);
    done();
  }

  override _final(done: () => void): void {
    if (this.#trailersDue) this.emit('wantTrailers');
    this.sent.push('end');
    this.rstCode ??= 0;
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error !== null) {
      this.rstCode = 2;
      this.sent.push('reset 2');
    }
    done(error);
  }

  additionalHeaders(fields: Record<string, number | string[]>): void {
    this.sent.push(`interim ${JSON.stringify(fields)}`);
  }

  respond(fields: readonly string[], options: ResponseOptions): void {
    this.sent.push(`head ${fields.join(' ')}`);
    this.#trailersDue = options.waitForTrailers === true;
    if (options.endStream === true) this.end();
  }

  sendTrailers(fields: Record<string, string[]>): void {
    this.sent.push(`trailers ${JSON.stringify(fields)}`);
  }

  close(code: number): void {
    this.rstCode = code;
    this.sent.push(`reset ${code}`);
    this.destroy();
  }
}

/** A virtual connection that serves `stream`, and what comes out of it and what its owner is told. */
function serve(stream: OwnStream, request: Partial<RequestText>, whole: boolean) {
  const seen: string[] = [];
  const owner: StreamOwner = {
    worked: () => {},
    freed: () => seen.push('freed'),
    dropped: (_connection, reset) => seen.push(reset ? 'dropped by the client' : 'dropped'),
  };
  const connection = new VirtualConnection(owner, '192.0.2.1', false);
  connection.on('data', (bytes: Buffer) => seen.push(bytes.toString('latin1')));
  connection.resume();
  connection.attach(stream, { text: '', method: 'GET', chunked: false, websocket: false, ...request }, whole, '');
  return { connection, seen };
}

test('it serves whatever is a StreamPort: request, interim response, body and trailers, and the next one', async () => {
  const stream = new OwnStream();
  const { connection, seen } = serve(stream, { text: 'POST / HTTP/1.1\r\n\r\n', method: 'POST', chunked: true }, false);
  stream.push('abc');
  stream.push(null);
  await once(stream, 'end');
  connection.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
  connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n');
  connection.write('0\r\nx-sum: 1\r\n\r\n');
  await once(stream, 'close');
  assert.deepEqual(seen, ['POST / HTTP/1.1\r\n\r\n', '3\r\nabc\r\n', '0\r\n\r\n', 'freed']);
  assert.deepEqual(stream.sent, [
    'interim {"link":["</a>"],":status":103}',
    'head :status 200',
    'data de',
    'trailers {"x-sum":["1"]}',
    'end',
  ]);
});

test('a response that breaks off resets the stream, and the connection is not used again', async () => {
  const stream = new OwnStream();
  const { connection, seen } = serve(stream, { text: 'GET / HTTP/1.1\r\n\r\n' }, true);
  connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab');
  connection.destroy();
  await once(connection, 'close');
  assert.deepEqual(stream.sent, ['head :status 200 content-length 5', 'data ab', 'reset 2']);
  assert.deepEqual(seen, ['GET / HTTP/1.1\r\n\r\n', 'dropped']);
});

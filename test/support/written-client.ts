import type { ClientSide } from '../../src/exchange/client-side.ts';

/** What a response body needs of a client, written down. */
export class WrittenClient implements Pick<ClientSide, 'put' | 'putBytes'> {
  text = '';

  put(text: string): void {
    this.text += text;
  }

  putBytes(bytes: Buffer, start: number, end: number): void {
    this.text += bytes.latin1Slice(start, end);
  }
}

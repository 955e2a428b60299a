import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type SrvData } from 'dns-packet';

/** Records of one name; a type that is left out has none (an answer without records). */
export interface DnsRecords {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly SRV?: readonly (Required<Pick<SrvData, 'port' | 'target'>> & Pick<SrvData, 'priority' | 'weight'>)[];
}

/** `NXDOMAIN` and `SERVFAIL` are answers; `silence` is none. */
export type DnsFailure = 'NXDOMAIN' | 'SERVFAIL' | 'silence';

export interface DnsServer {
  /** `127.0.0.1:port`, for `discovery.dns.servers`. */
  readonly address: string;
  /** Every question so far, such as `A shop.internal`. */
  readonly questions: readonly string[];
  /** What is said about a name from now on; a name that was never set is NXDOMAIN. */
  set(name: string, says: DnsRecords | DnsFailure): void;
  close(): Promise<void>;
}

/** Response codes of RFC 1035 section 4.1.1. */
const CODES = { NXDOMAIN: 3, SERVFAIL: 2 };
/** Long, so that a cache between the server and who asks would be noticed. */
const TTL = 3600;

/** A DNS server of this process, over UDP, whose answers the test changes. */
export async function startDnsServer(): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const zone = new Map<string, DnsRecords | DnsFailure>();
  const questions: string[] = [];
  socket.on('message', (message, from) => {
    const { id, questions: asked = [] } = decode(message);
    const question = asked[0];
    if (question === undefined) return;
    const { type } = question;
    const name = question.name.toLowerCase();
    questions.push(`${type} ${name}`);
    const says = zone.get(name) ?? 'NXDOMAIN';
    if (says === 'silence') return;
    const failed = typeof says === 'string';
    const answers = failed ? [] : recordsOf(question.name, says, type);
    // Addresses of the targets come along, as most servers send them.
    const additionals = answers.flatMap((answer) => {
      const target = answer.type === 'SRV' ? zone.get(answer.data.target.toLowerCase()) : undefined;
      return answer.type !== 'SRV' || target === undefined || typeof target === 'string'
        ? []
        : recordsOf(answer.data.target, target, 'A');
    });
    const flags = AUTHORITATIVE_ANSWER | (failed ? CODES[says] : 0);
    socket.send(
      encode({ type: 'response', id: id ?? 0, flags, questions: asked, answers, additionals }),
      from.port,
      from.address,
    );
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    set: (name, says) => void zone.set(name.toLowerCase(), says),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function recordsOf(name: string, { A = [], AAAA = [], SRV = [] }: DnsRecords, type: string): Answer[] {
  switch (type) {
    case 'A':
      return A.map((data) => ({ type: 'A', name, ttl: TTL, data }));
    case 'AAAA':
      return AAAA.map((data) => ({ type: 'AAAA', name, ttl: TTL, data }));
    case 'SRV':
      return SRV.map((data) => ({ type: 'SRV', name, ttl: TTL, data }));
    default:
      return [];
  }
}

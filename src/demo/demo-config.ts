import type { FleetServer } from './demo-fleet.ts';

/** The configuration of limpet in front of the shop servers, as the YAML that a person would write. */
export function demoConfig(host: string, port: number, adminPort: number, servers: readonly FleetServer[]): string {
  const backends = servers.map(({ id, port: at, replica }) => {
    const replicas = replica === null ? '' : `, replicas: [${replica}]`;
    return `      - { id: ${id}, url: "http://127.0.0.1:${at}"${replicas} }\n`;
  });
  return `listeners:
  - bind: ${host}:${port}
pools:
  shop:
    backends:
${backends.join('')}    affinity:
      - { by: cookie }
    failover: { to: [replicas, any] }
    health:
      active: { path: /healthz, interval: 500ms, timeout: 500ms, rise: 1, fall: 2 }
admin:
  bind: 127.0.0.1:${adminPort}
log: { level: error, format: pretty, access: false }
workers: 2
`;
}

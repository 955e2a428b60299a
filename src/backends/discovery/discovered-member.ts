/** A backend that discovery has found. */
export interface DiscoveredMember {
  /** The same for as long as the server is found: `address:port`, or `target:port` of an SRV record. */
  readonly id: string;
  /** `http://address:port` */
  readonly url: string;
  readonly weight: number;
  readonly backup: boolean;
}

import type { Table } from './blobmsg.ts';
import { decodeTable } from './blobmsg.ts';
import type { Connection } from './connection.ts';
import type { IncomingCall } from './incoming.ts';
import type { RegistrationContext } from './registration.ts';
import { Registration } from './registration.ts';

/** Our ear for the events whose names match a pattern. */
export class EventListener extends Registration {
  readonly pattern: string;
  readonly #received: (name: string, data: Table) => void;

  constructor(context: RegistrationContext, pattern: string, received: (name: string, data: Table) => void) {
    super(context);
    this.pattern = pattern;
    this.#received = received;
  }

  override invoked(call: IncomingCall): void {
    // ubusd looks at the outermost level only: anybody may send what cannot be read, and as often as he likes.
    const data = call.data && decodeTable(call.data);
    if (data) this.tell(() => this.#received(call.method, data));
  }

  protected override describe(): string {
    return `listening to ${this.pattern}`;
  }

  protected override async establish(connection: Connection): Promise<void> {
    this.objectId = await connection.addObject(this, this.context.timeout);
    await connection.registerEvents(this.objectId, this.pattern, this.context.timeout);
  }
}

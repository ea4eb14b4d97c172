import { serverAddress } from '../config/model.ts';
import type { Server } from '../config/model.ts';
import { hasErrors } from '../config/report.ts';
import { addSection, addToList, removeFromList, removeSection, setOption } from '../config/uci-edit.ts';
import { loadConfiguration } from '../config/validate.ts';
import type { Squad } from '../membership/fleet.ts';
import {
  forget,
  orderAddition,
  orderRemoval,
  orderState,
  orderWeight,
  withdrawState,
  withdrawWeight,
} from '../membership/orders.ts';
import type { Membership, Orders } from '../membership/orders.ts';
import { parseAddress } from '../net/address.ts';
import type { Address, Family } from '../net/address.ts';
import { ControlError } from '../service/control.ts';
import type { AddServer, Control, RemoveServer, SetServer, SetWeight } from '../service/control.ts';
import { membershipsMeant, squadNamed } from './control-lookup.ts';
import type { Controller } from './controller.ts';

const LARGEST_WEIGHT = 1000;

export interface OrderTakerOptions {
  readonly controller: Controller;
  readonly clock: () => number;
  /** The configuration file: its name, and its text now. */
  readonly file: string;
  readonly readFile: () => string;
  readonly writeFile: (text: string) => void;
  /** Reads the file again and takes it; false where it has errors. */
  readonly reload: () => Promise<boolean>;
  /** Called when an order has been taken: the time of the next change may be another. */
  readonly settled: () => void;
}

/** Takes orders about the servers of services, and writes those that are to last into the configuration. */
export class OrderTaker implements Pick<Control, 'setServer' | 'setWeight' | 'addServer' | 'removeServer'> {
  readonly #options: OrderTakerOptions;

  constructor(options: OrderTakerOptions) {
    this.#options = options;
  }

  async setServer({ state, timeout, reason, persist, ...reference }: SetServer): Promise<void> {
    const subjects = membershipsMeant(this.#options.controller.fleet, reference);
    if (timeout !== undefined && !(timeout > 0))
      throw new ControlError('invalid', `a timeout is more than 0 seconds, not ${timeout}`);
    const since = this.#options.clock();
    const change = (orders: Orders, subject: Membership): Orders => {
      if (state === 'auto') return withdrawState(orders, subject);
      const until = timeout === undefined ? {} : { until: since + timeout * 1000 };
      return orderState(orders, { ...subject, state, since, reason: reason ?? 'ordered', ...until });
    };
    await this.#order((orders) => subjects.reduce(change, orders));
    if (persist !== true) return;
    const enabled = state === 'up' || state === 'auto' ? '1' : '0';
    await this.#persist((text) => setOption(text, 'server', reference.server, 'enabled', enabled));
  }

  async setWeight({ weight, persist, ...reference }: SetWeight): Promise<void> {
    const subjects = membershipsMeant(this.#options.controller.fleet, reference);
    checkWeight(weight);
    const change = (orders: Orders, subject: Membership): Orders =>
      // An order for what the file says would only overrule the file's next change.
      weight === this.#configuredWeight(subject)
        ? withdrawWeight(orders, subject)
        : orderWeight(orders, { ...subject, weight });
    await this.#order((orders) => subjects.reduce(change, orders));
    if (persist !== true) return;
    await this.#persist((text) => setOption(text, 'server', reference.server, 'weight', String(weight)));
    // The file says it now.
    await this.#order((orders) => subjects.reduce(withdrawWeight, orders));
  }

  async addServer({ server: name, service, address, address6, weight = 100, persist }: AddServer): Promise<void> {
    const squad = squadNamed(this.#options.controller.fleet, service);
    checkWeight(weight);
    const known = this.#configured(name);
    const server: Server = {
      ...{ name, weight },
      ...this.#ownAddress(squad, name, 'address', address ?? known?.address?.text),
      ...this.#ownAddress(squad, name, 'address6', address6 ?? known?.address6?.text),
    };
    if (!/^[a-z0-9_]+$/.test(name))
      throw new ControlError('invalid', `'${name}' is no name of a server; accepted: a–z, 0–9 and _`);
    if (!server.address && !server.address6)
      throw new ControlError('invalid', `${name} has no address; accepted: address, address6 or both`);
    if (squad.members.some((member) => member.server.name === name && member.provenance !== 'removing'))
      throw new ControlError('refused', `${name} is in service '${service}' already`);
    await this.#order((orders) => orderAddition(orders, { service, server }));
    if (persist !== true) return;
    await this.#persist((text) =>
      known
        ? addToList(text, 'server', name, 'service', service)
        : addSection(text, 'server', name, {
            service: [service],
            ...(server.address ? { address: server.address.text } : {}),
            ...(server.address6 ? { address6: server.address6.text } : {}),
            weight: String(weight),
          }),
    );
  }

  async removeServer({ drain = true, persist, ...reference }: RemoveServer): Promise<void> {
    const subjects = membershipsMeant(this.#options.controller.fleet, reference);
    if (!drain) {
      // Who is down when it leaves has no connections to keep.
      const down = { state: 'down', since: this.#options.clock(), reason: 'removed' } as const;
      await this.#order((orders) =>
        subjects.reduce((sum, subject) => orderState(sum, { ...subject, ...down }), orders),
      );
    }
    await this.#order((orders) => subjects.reduce((sum, subject) => this.#remove(sum, subject), orders));
    if (persist !== true) return;
    await this.#persist((text) => {
      if (!this.#configured(reference.server)) return text;
      const { service, server } = reference;
      return service === undefined
        ? removeSection(text, 'server', server)
        : removeFromList(text, 'server', server, 'service', service);
    });
  }

  #configuredWeight({ service, server }: Membership): number | undefined {
    const services = this.#options.controller.configuration?.model.services ?? [];
    return services.find(({ name }) => name === service)?.servers.find(({ name }) => name === server)?.weight;
  }

  #configured(name: string): Server | undefined {
    const services = this.#options.controller.configuration?.model.services ?? [];
    return services
      .flatMap(({ servers, disabled }) => [...servers, ...disabled])
      .find((server) => server.name === name);
  }

  /** A server that only an order has made is forgotten by its removal. */
  #remove(orders: Orders, subject: Membership): Orders {
    const isConfigured = this.#options.controller.configuration?.model.services.some(
      ({ name, servers, disabled }) =>
        name === subject.service && [...servers, ...disabled].some((server) => server.name === subject.server),
    );
    return isConfigured ? orderRemoval(orders, subject) : forget(orders, subject);
  }

  #ownAddress(
    { roster, members }: Squad,
    server: string,
    option: 'address' | 'address6',
    text: string | undefined,
  ): Partial<Record<'address' | 'address6', Address>> {
    if (text === undefined) return {};
    const family: Family = option === 'address' ? 4 : 6;
    const address = parseAddress(text);
    if (address?.family !== family) throw new ControlError('invalid', `'${text}' is no IPv${family} address`);
    const { fleet } = this.#options.controller;
    for (const other of fleet.values()) {
      const { ghosts, ghost2 } = other.roster.service;
      if ([...ghosts, ...ghost2].some((ghost) => ghost.text === address.text))
        throw new ControlError(
          'invalid',
          `'${address.text}' is a ghost address of service '${other.roster.service.name}'`,
        );
    }
    const owner = members.find(
      (member) => member.server.name !== server && serverAddress(member.server, family)?.text === address.text,
    );
    if (owner)
      throw new ControlError(
        'invalid',
        `'${address.text}' is the address of ${owner.server.name} in service '${roster.service.name}'`,
      );
    return { [option]: address };
  }

  async #order(change: (orders: Orders) => Orders): Promise<void> {
    await this.#options.controller.order(change);
    this.#options.settled();
  }

  /** Writes the configuration with a change, and takes it. What the file says besides stays, and counts from now on, too. */
  async #persist(edit: (text: string) => string): Promise<void> {
    const { file, readFile, writeFile, reload } = this.#options;
    const text = readFile();
    const edited = edit(text);
    if (edited === text) return;
    if (hasErrors(loadConfiguration(edited, file).problems))
      throw new ControlError('refused', `${file} has errors, so that nothing is written to it`);
    writeFile(edited);
    await reload();
  }
}

function checkWeight(weight: number): void {
  if (Number.isInteger(weight) && weight >= 0 && weight <= LARGEST_WEIGHT) return;
  throw new ControlError('invalid', `${weight} is no weight; accepted: 0–${LARGEST_WEIGHT}`);
}

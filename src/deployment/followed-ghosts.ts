import type { Environment } from '../config/environment.ts';
import { followInterfaces, isFollowing } from '../config/ghost-interface.ts';
import type { Service } from '../config/model.ts';
import type { Configuration } from '../config/validate.ts';
import type { Address } from '../net/address.ts';

/** Former addresses of a service that are remembered: who has a new one every day has had it for days. */
const REMEMBERED = 8;

/**
 * Configurations with the addresses of the interfaces that services follow, in the course of time: the same object while these
 * are the same, and with those that they had before.
 */
export class FollowedGhosts {
  #configuration: Configuration | undefined;
  #followed: Configuration | undefined;
  /** Addresses by service, the latest last. */
  readonly #seen = new Map<string, readonly Address[]>();

  /** What a configuration is while the router is as it is. */
  follow(configuration: Configuration, environment: Environment): Configuration {
    if (!isFollowing(configuration.model)) return configuration;
    const model = followInterfaces(configuration.model, environment);
    const before = this.#followed;
    const isSame =
      configuration === this.#configuration &&
      before?.model.services.every(({ ghosts }, index) => isEqual(ghosts, model.services[index]?.ghosts ?? []));
    if (before && isSame) return before;
    this.#configuration = configuration;
    this.#followed = { ...configuration, model: { ...model, services: model.services.map((one) => this.#note(one)) } };
    return this.#followed;
  }

  #note(service: Service): Service {
    if (!service.ghostInterfaces) return service;
    const { name, ghosts } = service;
    const former = (this.#seen.get(name) ?? []).filter(({ text }) => !ghosts.some((ghost) => ghost.text === text));
    this.#seen.set(name, [...former, ...ghosts].slice(-REMEMBERED));
    return former.length === 0 ? service : { ...service, formerGhosts: former };
  }
}

function isEqual(one: readonly Address[], other: readonly Address[]): boolean {
  return one.length === other.length && one.every(({ text }, index) => text === other[index]?.text);
}

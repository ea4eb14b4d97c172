import { littleEndian } from 'oneip:runtime';
import type { LinkState } from '../config/environment.ts';
import { routeProtocolFilter } from '../netlink/filter.ts';
import { decodeBridgeLink, decodePortState } from '../netlink/bridge.ts';
import type { BridgeLink, PortState } from '../netlink/bridge.ts';
import { decodeForwarding } from '../netlink/forwarding.ts';
import type { ForwardingEntry } from '../netlink/forwarding.ts';
import {
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_LINK,
  decodeAddress,
  decodeLink,
  decodeLinkOperation,
} from '../netlink/link.ts';
import type { AddressState, LinkOperation } from '../netlink/link.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import { RTM_DELNEIGH, RTM_NEWNEIGH, RTNLGRP_NEIGH, decodeNeighbour } from '../netlink/neighbour.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import { RTM_DELROUTE, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, decodeRoute } from '../netlink/route.ts';
import type { Route } from '../netlink/route.ts';
import { RTM_DELRULE, RTM_NEWRULE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, decodeRule } from '../netlink/rule.ts';
import type { Rule } from '../netlink/rule.ts';
import { ROUTE_PROTOCOL } from '../network/state.ts';
import { NETLINK_ROUTE } from './netlink-channel.ts';
import { NetlinkListener } from './netlink-listener.ts';

/** Who is told what; `gone` is true where the object no longer exists. What nobody listens to is not received. */
export interface NetworkObserver {
  readonly link?: (link: LinkState, gone: boolean) => void;
  /** The same events as `link`: whether devices can carry packets. */
  readonly operation?: (link: LinkOperation, gone: boolean) => void;
  /** The same events as `link`: bridges and ports. */
  readonly bridgeLink?: (link: BridgeLink, gone: boolean) => void;
  /** What a bridge tells of its ports; `gone`: one has left it. */
  readonly port?: (port: PortState, gone: boolean) => void;
  readonly address?: (address: AddressState, gone: boolean) => void;
  /** Entries of the neighbour tables, whenever state or MAC changes; proxy entries too. */
  readonly neighbour?: (neighbour: Neighbour, gone: boolean) => void;
  /** Entries of the forwarding databases of bridges. */
  readonly forwarding?: (entry: ForwardingEntry, gone: boolean) => void;
  /** Policy routing rules of anybody. */
  readonly rule?: (rule: Rule, gone: boolean) => void;
  /** Routes of ours (`ROUTE_PROTOCOL`), and those of anybody to a single address that have taken another one's place. */
  readonly route?: (route: Route, gone: boolean) => void;
  /** Notifications were dropped: everything must be read again. */
  readonly lost: () => void;
}

/** Watches the router's network until closed; keeps the process alive. */
export class NetworkWatch {
  readonly #listener: NetlinkListener;
  readonly #observer: NetworkObserver;
  readonly #ownPort: () => number;

  /** Changes made by the channel with this port (`NetlinkChannel.port`) are not told. */
  constructor(observer: NetworkObserver, ownPort: () => number = () => 0) {
    this.#observer = observer;
    this.#ownPort = ownPort;
    const { link, operation, bridgeLink, port, address, neighbour, forwarding, rule, route } = observer;
    const groups = [
      ...(link || operation || bridgeLink || port ? [RTNLGRP_LINK] : []),
      ...(address ? [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR] : []),
      ...(neighbour || forwarding ? [RTNLGRP_NEIGH] : []),
      ...(rule ? [RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE] : []),
      ...(route ? [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE] : []),
    ];
    this.#listener = new NetlinkListener(
      NETLINK_ROUTE,
      routeProtocolFilter(ROUTE_PROTOCOL, littleEndian),
      (messages) => {
        for (const message of messages) this.#tell(message);
      },
      observer.lost,
    );
    for (const group of groups) this.#listener.join(group);
  }

  /** Idempotent. */
  close(): void {
    this.#listener.close();
  }

  #tell(message: NetlinkMessage): void {
    const own = this.#ownPort();
    if (own !== 0 && message.port === own) return;
    const { link, operation, bridgeLink, port, address, neighbour, forwarding, rule, route } = this.#observer;
    switch (message.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        pass(decodeLink, message, RTM_DELLINK, link);
        pass(decodeLinkOperation, message, RTM_DELLINK, operation);
        pass(decodeBridgeLink, message, RTM_DELLINK, bridgeLink);
        return pass(decodePortState, message, RTM_DELLINK, port);
      case RTM_NEWADDR:
      case RTM_DELADDR:
        return pass(decodeAddress, message, RTM_DELADDR, address);
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        pass(decodeNeighbour, message, RTM_DELNEIGH, neighbour);
        return pass(decodeForwarding, message, RTM_DELNEIGH, forwarding);
      case RTM_NEWRULE:
      case RTM_DELRULE:
        return pass(decodeRule, message, RTM_DELRULE, rule);
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        return pass(decodeRoute, message, RTM_DELROUTE, route);
    }
  }
}

function pass<T>(
  decode: (message: NetlinkMessage, littleEndian: boolean) => T | undefined,
  message: NetlinkMessage,
  deletion: number,
  observe: ((object: T, gone: boolean) => void) | undefined,
): void {
  const object = observe && decode(message, littleEndian);
  if (object !== undefined) observe?.(object, message.type === deletion);
}

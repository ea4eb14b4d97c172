import type { Family } from '../net/address.ts';
import type { Findings } from './findings.ts';
import { type Service, isFlooded, isTranslated } from './model.ts';
import type { ServiceSection } from './service-section.ts';
import { checkPlacement } from './placement.ts';
import { checkTranslation, findTrackingClash, refuseTranslation } from './translation.ts';
import { whyUnusable } from './unusable.ts';
import { quote } from './wording.ts';

/** Options that say what the router does with packets, and therefore nothing where it does nothing with them. */
const routersWork = ['on_change', 'on_failure', 'second_chance'] as const;

/** False where packets cannot get to the servers as the section wants (and that is reported). */
export function checkDispatch(section: ServiceSection, findings: Findings): boolean {
  const { values, given, label } = section;
  const dispatch = values.dispatch.value;
  const [second] = values.ghost2;
  const fits = isTranslated({ dispatch }) ? checkTranslation(section, findings) : refuseTranslation(section, findings);
  checkPlacement(section, findings);
  if (!isFlooded({ dispatch })) {
    if (!second) return fits;
    findings.warning(
      { line: second.line, section: label, option: 'ghost2' },
      `does not go with dispatch '${dispatch}' and is ignored`,
      "dispatch 'broadcast' or 'multicast'",
    );
    return fits;
  }
  for (const option of routersWork) {
    const line = given.get(option);
    if (line === undefined) continue;
    findings.warning(
      { line, section: label, option },
      `does not go with dispatch '${dispatch}' and is ignored, since it is the servers who keep or drop`,
    );
  }
  const listed = (['allow', 'deny'] as const).flatMap((option) => {
    const [first] = values[option];
    return first ? [{ option, line: first.line }] : [];
  });
  for (const { option, line } of listed) {
    findings.error(
      { line, section: label, option },
      `does not go with dispatch '${dispatch}', in which the router looks at no packet of the service`,
      'rules of the firewall, which sees these packets; or no such list',
    );
  }
  return checkSecondGhosts(section, findings) && fits && listed.length === 0;
}

function checkSecondGhosts({ values, label }: ServiceSection, findings: Findings): boolean {
  let usable = true;
  const seen = new Map<Family, string>();
  for (const { value, line } of values.ghost2) {
    const place = { line, section: label, option: 'ghost2' };
    const reason = whyUnusable(value);
    const earlier = seen.get(value.family);
    const isGhost = values.ghost.some((ghost) => ghost.value.text === value.text);
    seen.set(value.family, value.text);
    if (reason !== undefined || isGhost || earlier !== undefined) {
      usable = false;
      findings.error(
        place,
        reason !== undefined
          ? `${quote(value.text)} ${reason}`
          : isGhost
            ? `'${value.text}' is a ghost address of the service itself`
            : `'${value.text}' is a second one for IPv${value.family}, besides '${earlier}'`,
        earlier === undefined ? "a free address of the servers' subnet" : 'one address a family',
      );
    } else if (!values.ghost.some((ghost) => ghost.value.family === value.family)) {
      findings.warning(place, `'${value.text}' is ignored, since the service has no IPv${value.family} ghost address`);
    }
  }
  return usable;
}

/** Why two services cannot stand side by side on one router, as a clause about the later one. */
export interface RouteClash {
  readonly option: 'ghost' | 'ghost2';
  /** Text of the address. */
  readonly value: string;
  readonly message: string;
  readonly accepted: string;
}

/**
 * An address has one route, is tracked or not, and on the servers' link has one neighbour: the first clash of two services
 * about these. `owner` is how the earlier one is called.
 */
export function findRouteClash(earlier: Service, later: Service, owner: string): RouteClash | undefined {
  const tracking = findTrackingClash(earlier, later, owner);
  if (tracking) return tracking;
  if (!isFlooded(earlier) && !isFlooded(later)) return undefined;
  const common = later.ghosts.filter(({ text }) => earlier.ghosts.some((ghost) => ghost.text === text));
  for (const { text, family } of common) {
    const clash = (message: string, accepted: string): RouteClash => ({
      option: 'ghost',
      value: text,
      message: `'${text}' ${message}, and an address has one route`,
      accepted: `${accepted}, or another ghost address`,
    });
    if (earlier.device !== later.device) {
      return clash(`leads to '${earlier.device}' for ${owner}`, `device '${earlier.device}'`);
    }
    if (!isFlooded(earlier) || !isFlooded(later)) continue;
    if (earlier.dispatch !== later.dispatch) {
      return clash(`is sent to all servers by ${earlier.dispatch} for ${owner}`, `dispatch '${earlier.dispatch}'`);
    }
    const theirs = earlier.ghost2.find((address) => address.family === family);
    const ours = later.ghost2.find((address) => address.family === family);
    if (ours && ours.text !== theirs?.text) {
      return clash(
        theirs
          ? `leads to '${theirs.text}' for ${owner}`
          : `leads to a second ghost address that is chosen for ${owner}`,
        theirs ? `ghost2 '${theirs.text}'` : "no option 'ghost2'",
      );
    }
  }
  for (const { text } of later.ghost2) {
    const isGhost = earlier.ghosts.some((ghost) => ghost.text === text);
    const isSecond =
      common.length === 0 &&
      earlier.device === later.device &&
      (earlier.dispatch === 'multicast' || later.dispatch === 'multicast') &&
      earlier.ghost2.some((ghost) => ghost.text === text);
    if (!isGhost && !isSecond) continue;
    return {
      option: 'ghost2',
      value: text,
      message: `'${text}' is a ${isGhost ? '' : 'second '}ghost address of ${owner}`,
      accepted: "a free address of the servers' subnet",
    };
  }
  const taken = later.ghosts.find(({ text }) => earlier.ghost2.some((second) => second.text === text));
  return (
    taken && {
      option: 'ghost',
      value: taken.text,
      message: `'${taken.text}' is a second ghost address of ${owner}`,
      accepted: 'another ghost address',
    }
  );
}

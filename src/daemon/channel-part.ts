import { ChannelSocket, authenticator, randomLife } from '../host/channel-socket.ts';
import { Announcer } from './announcer.ts';
import type { AnnouncerOptions } from './announcer.ts';

/** The router's end of the channel to the servers, on the network; the package oneip-channel begins here. */
export function createAnnouncer(
  options: Pick<AnnouncerOptions, 'clock' | 'startTimer' | 'log' | 'reported'>,
): Announcer {
  return new Announcer({
    ...options,
    ...{ randomLife, authenticator },
    open: (place, received) => new ChannelSocket(place, received),
  });
}

import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { Authenticator } from '../../../src/channel/seal.ts';

/** What the runtime has in C, from elsewhere; it runs in Node, too. */
export const authenticator: Authenticator = {
  hmacSha256: (key, data) => hmac(sha256, key, data),
  equalBytes: (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]),
};

/* SHA-256 of FIPS 180-4, and HMAC-SHA-256 of RFC 2104. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_SHA256_H
#define ONEIP_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LENGTH 32
#define SHA256_BLOCK 64

struct sha256 {
	uint32_t state[8];
	/* Of all that was added, in bytes. */
	uint64_t length;
	/* What does not make a block yet: `length % SHA256_BLOCK` bytes. */
	uint8_t block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const uint8_t *data, size_t length);
/* The hash of all that was added; nothing can be added to it any more. */
void sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_LENGTH]);

void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t tag[SHA256_LENGTH]);

#endif

/*
 * Words are put together from bytes, so that neither the processor's order of bytes nor alignment matters.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sha256.h"

#include <string.h>

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4 §4.2.2). */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, unsigned int bits)
{
	return (word >> bits) | (word << (32 - bits));
}

static uint32_t load(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void store(uint8_t *bytes, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(word >> (24 - 8 * i));
}

/* One block (FIPS 180-4 §6.2.2). Of the message schedule only the last 16 words are kept, in a ring. */
static void compress(uint32_t state[8], const uint8_t *block)
{
	uint32_t schedule[16], work[8];

	memcpy(work, state, sizeof(work));
	for (unsigned int round = 0; round < 64; round++) {
		uint32_t a = work[0], e = work[4], word, first, second;

		if (round < 16) {
			word = load(block + 4 * round);
		} else {
			uint32_t before15 = schedule[(round + 1) % 16], before2 = schedule[(round + 14) % 16];

			word = schedule[round % 16] + schedule[(round + 9) % 16] +
			       (rotate(before15, 7) ^ rotate(before15, 18) ^ before15 >> 3) +
			       (rotate(before2, 17) ^ rotate(before2, 19) ^ before2 >> 10);
		}
		schedule[round % 16] = word;
		first = work[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & work[5]) ^ (~e & work[6])) +
			constants[round] + word;
		second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
			 ((a & work[1]) ^ (a & work[2]) ^ (work[1] & work[2]));
		memmove(work + 1, work, 7 * sizeof(work[0]));
		work[0] = first + second;
		work[4] += first;
	}
	for (int i = 0; i < 8; i++)
		state[i] += work[i];
}

void sha256_init(struct sha256 *hash)
{
	/* First 32 bits of the fractional parts of the square roots of the first 8 primes (FIPS 180-4 §5.3.3). */
	static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(hash->state, initial, sizeof(hash->state));
	hash->length = 0;
}

void sha256_add(struct sha256 *hash, const uint8_t *data, size_t length)
{
	size_t held = (size_t)(hash->length % SHA256_BLOCK);

	/* The data of nothing may be NULL, which memcpy() must not be given. */
	if (length == 0)
		return;
	hash->length += length;
	if (held > 0) {
		size_t lacking = SHA256_BLOCK - held;

		if (length < lacking) {
			memcpy(hash->block + held, data, length);
			return;
		}
		memcpy(hash->block + held, data, lacking);
		compress(hash->state, hash->block);
		data += lacking;
		length -= lacking;
	}
	for (; length >= SHA256_BLOCK; data += SHA256_BLOCK, length -= SHA256_BLOCK)
		compress(hash->state, data);
	memcpy(hash->block, data, length);
}

void sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_LENGTH])
{
	uint8_t end[SHA256_BLOCK + 8] = { 0x80 };
	uint64_t bits = hash->length * 8;
	size_t held = (size_t)(hash->length % SHA256_BLOCK);
	/* One 1 bit, and zeros up to the 8 bytes that tell the length, which end a block. */
	size_t padding = (held < SHA256_BLOCK - 8 ? SHA256_BLOCK : 2 * SHA256_BLOCK) - 8 - held;

	store(end + padding, (uint32_t)(bits >> 32));
	store(end + padding + 4, (uint32_t)bits);
	sha256_add(hash, end, padding + 8);
	for (int i = 0; i < 8; i++)
		store(digest + 4 * i, hash->state[i]);
}

void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t tag[SHA256_LENGTH])
{
	uint8_t pad[SHA256_BLOCK] = { 0 };
	struct sha256 hash;

	if (key_length > SHA256_BLOCK) {
		sha256_init(&hash);
		sha256_add(&hash, key, key_length);
		sha256_finish(&hash, pad);
	} else if (key_length > 0) {
		memcpy(pad, key, key_length);
	}
	for (int i = 0; i < SHA256_BLOCK; i++)
		pad[i] ^= 0x36;
	sha256_init(&hash);
	sha256_add(&hash, pad, sizeof(pad));
	sha256_add(&hash, data, length);
	sha256_finish(&hash, tag);
	for (int i = 0; i < SHA256_BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha256_init(&hash);
	sha256_add(&hash, pad, sizeof(pad));
	sha256_add(&hash, tag, SHA256_LENGTH);
	sha256_finish(&hash, tag);
}

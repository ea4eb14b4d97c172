/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_FLOWS_H
#define BENCH_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a frame without its check sequence, which no sender sees. */
enum { LONGEST_FRAME = 1514, CHECK_SEQUENCE = 4 };

/* Factor, mask and offset that make a client's source port of its number. */
enum { PORT_FACTOR = 7919, PORT_MASK = 0x7fff, FIRST_PORT = 1024 };

/*
 * UDP datagrams of many clients to one address: a frame, and what of it differs from client to client. One description, so
 * that every sender sends the same, whether C writes the frames or instructions in the kernel do.
 */
struct flows {
	uint32_t clients;
	size_t length;
	/* Of the headers; what follows is nought, and nobody changes it. */
	size_t headers;
	/* Puts the headers behind Ethernet's 14 bytes on a boundary of four. */
	_Alignas(4) uint8_t before_frame[2];
	uint8_t frame[LONGEST_FRAME];
	/* Where the 32 bits of the source address lie that count the clients, and what the first client has there. */
	size_t address_at;
	uint32_t first_address;
	/* Where its source port lies. */
	size_t port_at;
	/* Where the checksum lies that covers the address; the sum of all else that it covers; whether that holds the port. */
	size_t checksum_at;
	uint32_t checksum_base;
	bool checksum_covers_port;
};

/* Which client is next, and how far it is from there to the one after, modulo the number of clients. */
struct position {
	uint32_t next;
	uint32_t step;
};

/*
 * Describes frames from FIRST on, which counts up by one for IPv4 and by a /64 for IPv6, as each household has its own. FIRST
 * and TO are of one family; false where they are not. SIZE is that of a frame on the wire, with its check sequence (64 to
 * LONGEST_FRAME and CHECK_SEQUENCE); with IPv6 at least 66, since the headers have so many.
 */
bool describe_flows(struct flows *flows, const char *to, const char *first, uint32_t clients, uint16_t port,
		    const uint8_t *to_mac, const uint8_t *from_mac, size_t size);

/* Makes a copy of the frame into that of the next client, and moves on. */
void write_frame(const struct flows *flows, struct position *position, uint8_t *frame);

#endif

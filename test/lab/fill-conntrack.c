/*
 * Has connection tracking of its network namespace take so many new entries: datagrams to as many ports of addresses of the
 * loopback device, of which each is a flow of its own. They end by themselves after 30 s.
 *
 * Usage: fill-conntrack COUNT
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { PORTS = 60000, FIRST_PORT = 2000 };

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long flow;
	int fd;

	if (count == 0)
		errx(2, "usage: fill-conntrack COUNT");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		err(1, "socket");
	for (flow = 0; flow < count; flow++) {
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(flow / PORTS));
		to.sin_port = htons((uint16_t)(FIRST_PORT + flow % PORTS));
		/* A full table refuses what is sent; nobody is at those ports, which an earlier datagram may tell this one. */
		while (sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED)
			continue;
	}
	puts("done");
	return 0;
}

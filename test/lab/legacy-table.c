/*
 * Uses a table of the old iptables, as any of its commands does: from then on it is there, empty.
 *
 * Usage: legacy-table TABLE
 *
 * Status 77: this kernel has no such tables.
 */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
/* Behind those, whose types it has too. */
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { UNAVAILABLE = 77 };

int main(int argc, char **argv)
{
	struct ipt_getinfo info = { .valid_hooks = 0 };
	socklen_t length = sizeof(info);
	int fd;

	if (argc != 2 || strlen(argv[1]) >= sizeof(info.name))
		errx(2, "usage: legacy-table TABLE");
	strcpy(info.name, argv[1]);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0)
		err(1, "socket");
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &length) == 0) {
		puts("there");
		return 0;
	}
	if (errno == ENOPROTOOPT || errno == ENOENT)
		return UNAVAILABLE;
	err(1, "%s", argv[1]);
}

/*
 * A point-to-point link of two tun devices in two network namespaces: packets have no link-layer header on it, as with PPP.
 *
 * Usage: tun-relay NETNS-FILE DEVICE NETNS-FILE DEVICE MTU
 *
 * Creates the devices, prints "ready", and passes packets from one to the other until its standard input ends; the devices
 * go with it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGEST = 65536 };

static int open_end(const char *namespace, const char *device, int mtu)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int net = open(namespace, O_RDONLY | O_CLOEXEC), tun, control;

	if (net < 0 || setns(net, CLONE_NEWNET))
		err(1, "%s", namespace);
	close(net);
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request))
		err(1, "/dev/net/tun");
	control = socket(AF_INET, SOCK_DGRAM, 0);
	request.ifr_mtu = mtu;
	if (ioctl(control, SIOCSIFMTU, &request))
		err(1, "SIOCSIFMTU");
	close(control);
	return tun;
}

static void pass(int from, int to)
{
	static char packet[LARGEST];
	ssize_t length;

	while ((length = read(from, packet, sizeof packet)) > 0) {
		/* A device that is down loses packets, as a link that is down does. */
		if (write(to, packet, (size_t)length) < 0 && errno != EIO && errno != EAGAIN)
			err(1, "write");
	}
	if (length < 0 && errno != EAGAIN && errno != EIO)
		err(1, "read");
}

int main(int argc, char **argv)
{
	struct pollfd ends[3] = { { .events = POLLIN }, { .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	char ignored[64];

	if (argc != 6) {
		fprintf(stderr, "usage: tun-relay NETNS-FILE DEVICE NETNS-FILE DEVICE MTU\n");
		return 2;
	}
	ends[0].fd = open_end(argv[1], argv[2], atoi(argv[5]));
	ends[1].fd = open_end(argv[3], argv[4], atoi(argv[5]));
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (poll(ends, 3, -1) < 0)
			err(1, "poll");
		if (ends[0].revents & POLLIN)
			pass(ends[0].fd, ends[1].fd);
		if (ends[1].revents & POLLIN)
			pass(ends[1].fd, ends[0].fd);
		if (ends[2].revents && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
			return 0;
	}
}

/*
 * Puts frames on a device as they are, right or wrong.
 *
 * Usage: inject DEVICE
 *
 * Each line of standard input is one frame in hex, link-layer header included where the device has one; "sent" answers each,
 * or "failed ERROR". Ends with its input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { LARGEST = 65536 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Length of the frame; 0 where the text is not hex. */
static size_t read_hex(const char *text, uint8_t *frame)
{
	size_t length = 0;

	while (*text && *text != '\n') {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || length == LARGEST)
			return 0;
		frame[length++] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return length;
}

int main(int argc, char **argv)
{
	static char line[2 * LARGEST + 2];
	static uint8_t frame[LARGEST];
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	struct ifreq request = { 0 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), has_ethernet;

	if (argc != 2) {
		fprintf(stderr, "usage: inject DEVICE\n");
		return 2;
	}
	address.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (fd < 0 || !address.sll_ifindex)
		err(1, "%s", argv[1]);
	memcpy(request.ifr_name, argv[1], strnlen(argv[1], IFNAMSIZ - 1));
	has_ethernet = !ioctl(fd, SIOCGIFHWADDR, &request) && request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		size_t length = read_hex(line, frame);

		/* A device without link-layer header must be told what it carries; others see for themselves. */
		if (!has_ethernet)
			address.sll_protocol = htons(frame[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
		if (!length)
			puts("failed EINVAL");
		else if (sendto(fd, frame, length, 0, (struct sockaddr *)&address, sizeof address) < 0)
			printf("failed %s\n", strerrorname_np(errno));
		else
			puts("sent");
		fflush(stdout);
	}
	return 0;
}

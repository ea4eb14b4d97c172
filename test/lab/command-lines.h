/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands by standard input, a line each. Included by programs of one file each.
 */
#ifndef COMMAND_LINES_H
#define COMMAND_LINES_H

#include <string.h>
#include <unistd.h>

/* Bytes of commands that may wait. */
enum { COMMANDS = 65536 };

/* Reads what waits on standard input; false at its end. */
static int obey_all(void (*obey)(char *command))
{
	static char buffer[COMMANDS];
	static size_t filled;
	char *begin = buffer, *end;
	ssize_t length = read(STDIN_FILENO, buffer + filled, sizeof buffer - filled);

	if (length <= 0)
		return 0;
	filled += (size_t)length;
	while ((end = memchr(begin, '\n', filled - (size_t)(begin - buffer)))) {
		*end = '\0';
		obey(begin);
		begin = end + 1;
	}
	filled -= (size_t)(begin - buffer);
	memmove(buffer, begin, filled);
	return 1;
}

#endif

/*
 * Preloaded, makes one in two system calls that may be interrupted fail with EINTR, and the others take or give a few
 * bytes only: what a busy system does once in a blue moon. The file named by INTERRUPTIONS gets their number.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define FEW 777

static unsigned int interruptions;

/* At random, so as not to fall in step with who calls, but the same at each run. */
static int interrupted(void)
{
	static unsigned int state = 1;

	state = state * 1103515245 + 12345;
	if (state & 0x10000)
		return 0;
	interruptions++;
	errno = EINTR;
	return 1;
}

static size_t few(size_t count)
{
	return count > FEW ? FEW : count;
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

ssize_t read(int fd, void *data, size_t count)
{
	return interrupted() ? -1 : REAL(ssize_t, "read", int, void *, size_t)(fd, data, few(count));
}

ssize_t write(int fd, const void *data, size_t count)
{
	return interrupted() ? -1 : REAL(ssize_t, "write", int, const void *, size_t)(fd, data, few(count));
}

ssize_t sendto(int fd, const void *data, size_t count, int flags, const struct sockaddr *address, socklen_t length)
{
	if (interrupted())
		return -1;
	return REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *, socklen_t)(
		fd, data, few(count), flags, address, length);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return interrupted() ? -1 : REAL(ssize_t, "recvmsg", int, struct msghdr *, int)(fd, message, flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	if (interrupted())
		return -1;
	return REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int)(fd, address, length, flags);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	return interrupted() ? -1 : REAL(pid_t, "waitpid", pid_t, int *, int)(pid, status, options);
}

int flock(int fd, int operation)
{
	return interrupted() ? -1 : REAL(int, "flock", int, int)(fd, operation);
}

ssize_t getrandom(void *data, size_t count, unsigned int flags)
{
	return interrupted() ? -1 : REAL(ssize_t, "getrandom", void *, size_t, unsigned int)(data, few(count), flags);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
	if (interrupted())
		return -1;
	return REAL(int, "epoll_wait", int, struct epoll_event *, int, int)(fd, events, count, timeout);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return interrupted() ? -1 : REAL(int, "poll", struct pollfd *, nfds_t, int)(fds, count, timeout);
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("INTERRUPTIONS");
	FILE *file = path ? fopen(path, "w") : NULL;

	if (!file)
		return;
	fprintf(file, "%u\n", interruptions);
	fclose(file);
}

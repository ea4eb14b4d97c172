/* A child by posix_spawn(3), which copies no memory. SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "process.h"

extern char **environ;

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Our end is non-blocking, the child's end `theirs` is not. */
static int open_pipe(int stream, int *ours, int *theirs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	*ours = stream == STDIN_FILENO ? ends[1] : ends[0];
	*theirs = stream == STDIN_FILENO ? ends[0] : ends[1];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

/* Standard input is a pipe, ours (where outputs are inherited), or empty. Outputs are pipes, or ours. */
static int open_streams(const struct spawn_request *request, int ours[3], int theirs[3])
{
	for (int stream = 0; stream < 3; stream++) {
		bool piped = stream == STDIN_FILENO ? request->has_input : !request->inherit;
		int error = piped ? open_pipe(stream, &ours[stream], &theirs[stream]) : 0;

		if (error)
			return error;
	}
	return 0;
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct spawn_request *request, const int theirs[3])
{
	int error = 0;

	for (int stream = 0; stream < 3 && !error; stream++) {
		if (theirs[stream] >= 0)
			error = posix_spawn_file_actions_adddup2(actions, theirs[stream], stream);
		else if (!request->inherit)
			error = posix_spawn_file_actions_addopen(actions, stream, "/dev/null", O_RDWR, 0);
	}
	if (!error && request->directory)
		error = posix_spawn_file_actions_addchdir_np(actions, request->directory);
	return error;
}

/* The child starts with no signal blocked, and SIGPIPE deadly, as programs expect. */
static int set_attributes(posix_spawnattr_t *attributes, const struct spawn_request *request)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t set;
	int error;

	sigemptyset(&set);
	error = posix_spawnattr_setsigmask(attributes, &set);
	sigaddset(&set, SIGPIPE);
	if (!error)
		error = posix_spawnattr_setsigdefault(attributes, &set);
	if (!request->inherit) {
		/* A timeout must reach the children of the child too. */
		flags |= POSIX_SPAWN_SETPGROUP;
		if (!error)
			error = posix_spawnattr_setpgroup(attributes, 0);
	}
	return error ? error : posix_spawnattr_setflags(attributes, flags);
}

static int start(const struct spawn_request *request, const int theirs[3], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error = posix_spawn_file_actions_init(&actions);

	if (error)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (!error) {
		error = add_actions(&actions, request, theirs);
		if (!error)
			error = set_attributes(&attributes, request);
		if (!error)
			error = posix_spawnp(pid, request->arguments[0], &actions, &attributes, request->arguments,
					     request->environment ? request->environment : environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

int spawn_child(const struct spawn_request *request, pid_t *pid, int pipes[3])
{
	int theirs[3] = { -1, -1, -1 };
	int error;

	for (int stream = 0; stream < 3; stream++)
		pipes[stream] = -1;
	error = open_streams(request, pipes, theirs);
	if (!error)
		error = start(request, theirs, pid);
	for (int stream = 0; stream < 3; stream++) {
		close_end(&theirs[stream]);
		if (error)
			close_end(&pipes[stream]);
	}
	return error;
}

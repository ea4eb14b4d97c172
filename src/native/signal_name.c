/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "signal_name.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#define NAME(signal) { signal, #signal }

static const struct {
	int number;
	const char *name;
} signal_names[] = {
	NAME(SIGHUP),  NAME(SIGINT),    NAME(SIGQUIT), NAME(SIGILL),  NAME(SIGTRAP),   NAME(SIGABRT), NAME(SIGBUS),
	NAME(SIGFPE),  NAME(SIGKILL),   NAME(SIGUSR1), NAME(SIGSEGV), NAME(SIGUSR2),   NAME(SIGPIPE), NAME(SIGALRM),
	NAME(SIGTERM), NAME(SIGCHLD),   NAME(SIGCONT), NAME(SIGSTOP), NAME(SIGTSTP),   NAME(SIGTTIN), NAME(SIGTTOU),
	NAME(SIGURG),  NAME(SIGXCPU),   NAME(SIGXFSZ), NAME(SIGPROF), NAME(SIGVTALRM), NAME(SIGIO),   NAME(SIGPWR),
	NAME(SIGSYS),  NAME(SIGWINCH),
};

#define SIGNAL_COUNT (sizeof(signal_names) / sizeof(signal_names[0]))

int signal_number(const char *name)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (!strcmp(signal_names[i].name, name))
			return signal_names[i].number;
	}
	return 0;
}

const char *signal_name(int number)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (signal_names[i].number == number)
			return signal_names[i].name;
	}
	return NULL;
}

/* Names of signals. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_SIGNAL_NAME_H
#define ONEIP_SIGNAL_NAME_H

/* Number of "SIGTERM"; 0 where there is none of that name. */
int signal_number(const char *name);
/* "SIGTERM" of a number; NULL for a real-time signal. */
const char *signal_name(int number);

#endif

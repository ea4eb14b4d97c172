#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The collectors are no programs, and have no version to tell.

exit 0

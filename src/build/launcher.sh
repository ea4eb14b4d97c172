#!/bin/sh
# Runs the program in place, from whatever directory and through whatever symbolic link it is called.
here=$(dirname "$(readlink -f "$0")")
exec "$here/oneip-runtime" "$here/../lib/oneip/oneip.js" "$@"

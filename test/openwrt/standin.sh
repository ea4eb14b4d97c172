# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash disable=SC2034,SC3043
#
# Stands in for rc.common, procd.sh, jshn.sh, functions.sh and the service object of procd, as far as an init script uses them:
#
#   busybox ash standin.sh STATE SCRIPT ACTION [ARGUMENT...]
#
# STATE is a directory: `calls` gets a line for whatever is asked for; `service` is there while procd knows the service,
# `running` while its program runs, `data` holds its data; UCI files are in `config`. `appears` is there if the daemon joins the
# bus when it is waited for. Texts with quotes or backslashes are none of an init script's, and end the test.

STATE="$1"
SCRIPT="$2"
ACTION="$3"
shift 3

record() {
	local line='' word

	for word in "$@"; do line="$line${line:+	}$word"; done
	echo "$line" >>"$STATE/calls"
}

fail() {
	echo "standin: $*" >&2
	exit 99
}

# ---- JSON

json_init() {
	JSON='{'
	NESTING=o
	FIRST=1
}

json_key() {
	case "$1" in *[\"\\]*) fail "key $1" ;; esac
	[ -n "$FIRST" ] || JSON="$JSON,"
	FIRST=''
	case "$NESTING" in
		*o) [ -n "$1" ] || fail 'no key in an object'; JSON="$JSON\"$1\":" ;;
	esac
}

json_add_object() {
	json_key "$1"
	JSON="${JSON}{" NESTING="${NESTING}o" FIRST=1
}

json_add_array() {
	json_key "$1"
	JSON="${JSON}[" NESTING="${NESTING}a" FIRST=1
}

json_add_string() {
	case "$2" in *[\"\\]*) fail "text $2" ;; esac
	json_key "$1"
	JSON="$JSON\"$2\""
}

json_close_object() {
	case "$NESTING" in ?*o) ;; *) fail 'no object to close' ;; esac
	JSON="${JSON}}" NESTING="${NESTING%o}" FIRST=''
}

json_close_array() {
	case "$NESTING" in *a) ;; *) fail 'no array to close' ;; esac
	JSON="${JSON}]" NESTING="${NESTING%a}" FIRST=''
}

json_dump() {
	[ "$NESTING" = o ] || fail "left open: $NESTING"
	echo "$JSON}"
}

# ---- UCI

# As with the real one, options of what was loaded before stay, but for lists: a section may seem to have what another file's
# section of its name has.
config_load() {
	local line name

	for name in $LISTS; do unset "OPTION_$name"; done
	LISTS=''
	SECTIONS=''
	SECTION=0
	[ -e "$STATE/config/$1" ] || return 0
	while read -r line || [ -n "$line" ]; do
		case "$line" in
			'' | '#'*) ;;
			*) eval "config_line $line" ;;
		esac
	done <"$STATE/config/$1"
}

config_line() {
	local name

	case "$1" in
		config)
			SECTION=$((SECTION + 1))
			CURRENT="${3:-cfg$SECTION}"
			SECTIONS="$SECTIONS $2=$CURRENT"
			return
			;;
		option | list) ;;
		*) fail "UCI: $1" ;;
	esac
	name="${CURRENT}_$2"
	case "$1 $LISTS " in
		list*" $name "*) eval "OPTION_$name=\"\$OPTION_$name \$3\"" ;;
		*) eval "OPTION_$name=\"\$3\"" ;;
	esac
	[ "$1" != list ] || LISTS="$LISTS $name"
}

config_get() {
	eval "$1=\"\${OPTION_$2_$3:-\$4}\""
}

config_get_bool() {
	local value

	config_get value "$2" "$3" "$4"
	case "$value" in
		1 | on | true | yes | enabled) eval "$1=1" ;;
		0 | off | false | no | disabled) eval "$1=0" ;;
		*) eval "$1=\"\$4\"" ;;
	esac
}

config_foreach() {
	local callback="$1" type="$2" section

	for section in $SECTIONS; do
		[ "${section%%=*}" = "$type" ] && "$callback" "${section#*=}"
	done
}

# ---- procd

procd_open_instance() { INSTANCE=1; }
procd_close_instance() { :; }
procd_set_param() { record param "$@"; }
procd_append_param() { record append "$@"; }
procd_add_jail() { record jail "$@"; }
procd_add_reload_trigger() { record reload-trigger "$@"; }
procd_add_config_trigger() { record config-trigger "$@"; }
procd_set_config_changed() { record changed "$@"; }
procd_send_signal() { record signal "$@"; }
procd_lock() { :; }
procd_open_service() { INSTANCE=''; }

procd_close_service() {
	record "$1"
	service_triggers
	touch "$STATE/service"
	[ -z "$INSTANCE" ] || touch "$STATE/running"
	json_init
	json_add_string name oneip
	json_add_object data
	service_data
	json_close_object
	json_dump >"$STATE/data"
}

service_running() { [ -e "$STATE/running" ]; }
logger() { record logger "$@"; }
sleep() { record sleep "$@"; }
extra_command() { record command "$1"; }

ubus() {
	case "$*" in
		'call service get_data {"name":"oneip","type":"firewall"}') cat "$STATE/data" 2>/dev/null || echo '{}' ;;
		'-S call service set_data '*)
			[ -e "$STATE/service" ] || return 4
			record set_data
			echo "$5" >"$STATE/data"
			;;
		'-t 30 wait_for oneip') record wait; [ -e "$STATE/appears" ] && echo 0 >"$STATE/reload-status" ;;
		*) fail "ubus $*" ;;
	esac
}

# ---- rc.common

start() {
	procd_open_service oneip "$SCRIPT"
	start_service "$@"
	procd_close_service set
	service_started
}

stop() {
	stop_service "$@"
	record delete
	rm -f "$STATE/service" "$STATE/running" "$STATE/data"
	service_stopped
}

restart() {
	stop "$@"
	# procd has sent a signal; the program needs a moment.
	touch "$STATE/running"
	start "$@"
}

reload() {
	reload_service "$@"
}

# shellcheck source=/dev/null
. "$SCRIPT"
"$ACTION" "$@"

/** Starts the daemon in a guest; ends when the kernel has the first ruleset. What it prints goes to /tmp/log. */
export const START = `
[ -p /tmp/said ] || mkfifo /tmp/said /tmp/end
oneip daemon >/tmp/said 2>&1 &
echo $! >/tmp/daemon.pid
exec 3</tmp/said
while read -r line <&3; do
	echo "$line" >>/tmp/log
	[ "$line" != 'oneip: ready' ] || break
done
{ cat <&3 >>/tmp/log; echo ended >/tmp/end; } &
[ "$line" = 'oneip: ready' ] || { cat /tmp/log; exit 1; }
`;

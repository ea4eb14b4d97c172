// SPDX-License-Identifier: GPL-2.0-or-later
//
// Collector of prometheus-node-exporter-ucode: what `oneip metrics` prints. Written in what ucode and JavaScript have in
// common, so that it can be tested where there is no ucode: for…in over objects only, null by ==.

// No bus at all: `ubus` is null.
const reply = ubus == null ? null : ubus.call("oneip", "status", {});

gauge("oneip_up", "Whether the daemon answers")({}, reply == null ? 0 : 1);

if (reply == null)
	return;

const states = { up: 1, down: 1, draining: 1, drained: 1, disabled: 1 };
const services = reply.services;

// One gauge or counter, with what `read` finds for each service; null: nothing.
function each_service(metric, read) {
	for (let service in services) {
		const value = read(services[service]);

		if (value != null)
			metric({ service: service }, value);
	}
}

// The same for each server of each service.
function each_server(metric, read) {
	for (let service in services) {
		const servers = services[service].servers;

		for (let server in servers) {
			const value = read(servers[server]);

			if (value != null)
				metric({ service: service, server: server }, value);
		}
	}
}

gauge("oneip_build_info", "Version of the daemon")({ version: reply.version }, 1);
gauge("oneip_uptime_seconds", "Time since the start of the daemon")({}, reply.uptime);
gauge("oneip_failing", "Whether the kernel does not hold what it should")({}, reply.failing == null ? 0 : 1);

if (reply.refused != null) {
	const refused = counter("oneip_channel_refused_total", "Messages of servers that were refused");

	for (let reason in reply.refused)
		refused({ reason: reason }, reply.refused[reason]);
}

each_service(gauge("oneip_service_running", "Whether the service is in force"), s => s.running ? 1 : 0);
each_service(gauge("oneip_service_slots", "Entries of the allocation table"), s => s.slots);
each_service(gauge("oneip_transition_active", "Whether a change still keeps old connections"), s => s.transition == null ? 0 : 1);
each_service(gauge("oneip_transition_slots", "Slots whose old connections are kept"), s => s.transition == null ? 0 : s.transition.slots);

const state = gauge("oneip_server_state", "Whether the server is in this state");

for (let service in services)
	for (let server in services[service].servers)
		for (let name in states)
			state({ service: service, server: server, state: name }, services[service].servers[server].state == name ? 1 : 0);

each_server(gauge("oneip_server_weight", "Share relative to the other servers"), s => s.weight);
each_server(gauge("oneip_server_slots", "Slots that the server has"), s => s.slots);
each_server(gauge("oneip_server_share", "Share of the clients, 0 to 1"), s => sprintf("%.6f", s.share));
each_server(gauge("oneip_server_damped", "Whether the server is held back since it comes and goes"), s => s.damped ? 1 : 0);
each_server(gauge("oneip_server_connections", "Live connections, where new ones follow them"), s => s.connections);
each_server(counter("oneip_server_packets_total", "Packets handed to the server"), s => s.packets);
each_server(counter("oneip_server_bytes_total", "Bytes handed to the server"), s => s.bytes);
each_server(gauge("oneip_probe_success", "Whether the last probe succeeded"), s => s.probe == null ? null : s.probe.passed ? 1 : 0);
each_server(gauge("oneip_probe_latency_seconds", "Time until the last probe was answered"),
	s => s.probe == null || s.probe.latency == null ? null : sprintf("%.6f", s.probe.latency));

// What the server reports, if it does.
function each_report(metric, read) {
	each_server(metric, s => s.report == null ? null : read(s.report));
}

function millionths(number) {
	return number == null ? null : sprintf("%.6f", number);
}

each_report(gauge("oneip_report_age_seconds", "Time since the server reported"), r => millionths(r.age));
each_report(gauge("oneip_report_well", "Whether the server reports that it is well"), r => r.well == null ? null : r.well ? 1 : 0);
each_report(gauge("oneip_report_current", "Whether the server has the slots that it shall have"), r => r.current ? 1 : 0);
each_report(gauge("oneip_report_connections", "Connections that the server reports"), r => r.connections);
each_report(gauge("oneip_report_cpu", "Share of processor time that the server reports, 0 to 1"), r => millionths(r.cpu));
each_report(gauge("oneip_report_script", "Number that a script of the server reports"), r => millionths(r.script));

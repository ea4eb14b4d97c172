-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Collector of prometheus-node-exporter-lua: what `oneip metrics` prints.

local ubus = require "ubus"

local STATES = { "up", "down", "draining", "drained", "disabled" }

local function flag(condition)
  return condition and 1 or 0
end

-- Numbers of Lua are written with 14 digits, which counters of bytes outgrow.
local function whole(number)
  return number and string.format("%.0f", number)
end

local function millionths(number)
  return number and string.format("%.6f", number)
end

local function ask()
  local connection = ubus.connect()
  if not connection then
    return nil
  end
  local reply = connection:call("oneip", "status", {})
  connection:close()
  return reply
end

local function scrape()
  local reply = ask()
  metric("oneip_up", "gauge", nil, flag(reply))
  if not reply then
    return
  end

  -- One metric, with what `read` finds for each service, or each server of each; nil: nothing.
  local function each_service(name, read)
    local emit = metric(name, "gauge")
    for service, status in pairs(reply.services) do
      emit({ service = service }, read(status))
    end
  end
  local function each_server(name, kind, read)
    local emit = metric(name, kind)
    for service, status in pairs(reply.services) do
      for server, found in pairs(status.servers) do
        local value = read(found)
        if value then
          emit({ service = service, server = server }, value)
        end
      end
    end
  end

  metric("oneip_build_info", "gauge", { version = reply.version }, 1)
  metric("oneip_uptime_seconds", "gauge", nil, reply.uptime)
  metric("oneip_failing", "gauge", nil, flag(reply.failing))

  if reply.refused then
    local refused = metric("oneip_channel_refused_total", "counter")
    for reason, count in pairs(reply.refused) do
      refused({ reason = reason }, whole(count))
    end
  end

  each_service("oneip_service_running", function(s) return flag(s.running) end)
  each_service("oneip_service_slots", function(s) return s.slots end)
  each_service("oneip_transition_active", function(s) return flag(s.transition) end)
  each_service("oneip_transition_slots", function(s) return s.transition and s.transition.slots or 0 end)

  local state = metric("oneip_server_state", "gauge")
  for service, status in pairs(reply.services) do
    for server, found in pairs(status.servers) do
      for _, name in ipairs(STATES) do
        state({ service = service, server = server, state = name }, flag(found.state == name))
      end
    end
  end

  each_server("oneip_server_weight", "gauge", function(s) return s.weight end)
  each_server("oneip_server_slots", "gauge", function(s) return s.slots end)
  each_server("oneip_server_share", "gauge", function(s) return millionths(s.share) end)
  each_server("oneip_server_damped", "gauge", function(s) return flag(s.damped) end)
  each_server("oneip_server_connections", "gauge", function(s) return s.connections end)
  each_server("oneip_server_packets_total", "counter", function(s) return whole(s.packets) end)
  each_server("oneip_server_bytes_total", "counter", function(s) return whole(s.bytes) end)
  each_server("oneip_probe_success", "gauge", function(s) return s.probe and flag(s.probe.passed) end)
  each_server("oneip_probe_latency_seconds", "gauge", function(s) return s.probe and millionths(s.probe.latency) end)
  each_server("oneip_report_age_seconds", "gauge", function(s) return s.report and millionths(s.report.age) end)
  each_server("oneip_report_well", "gauge", function(s)
    return s.report and s.report.well ~= nil and flag(s.report.well) or nil
  end)
  each_server("oneip_report_current", "gauge", function(s) return s.report and flag(s.report.current) end)
  each_server("oneip_report_connections", "gauge", function(s) return s.report and s.report.connections end)
  each_server("oneip_report_cpu", "gauge", function(s) return s.report and millionths(s.report.cpu) end)
  each_server("oneip_report_script", "gauge", function(s) return s.report and millionths(s.report.script) end)
end

return { scrape = scrape }

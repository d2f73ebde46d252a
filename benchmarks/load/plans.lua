-- Requests for small plans, for wrk. MODE: "new" (every one differs), "free" (token lengths differ
-- in every one, too) or "same" (a few, over and over, answered from the store).
local mode = os.getenv("MODE") or "new"
local models = {"llama-3.1-8b-instruct", "mistral-7b-instruct-v0.3", "llama-3.1-70b-instruct"}
local accelerators = {'["h100_sxm"]', '["h100_sxm", "l40s", "a100_sxm_80gb"]', '["h200_sxm"]'}
local lengths = {{512, 128}, {1024, 256}, {2048, 256}, {4096, 512}}

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(arguments)
  math.randomseed(4711 + 7919 * number)
  asked = 0
end

local function class(name, rate, isl, osl)
  return string.format('{"name": "%s", "rate_rps": %.9f, "isl": %d, "osl": %d}', name, rate, isl, osl)
end

function request()
  asked = asked + 1
  local pick = mode == "same" and asked % 12 or math.random(0, 1000000)
  local tokens = lengths[pick % 4 + 1]
  local isl, osl = tokens[1], tokens[2]
  if mode == "free" then isl, osl = math.random(200, 6000), math.random(50, 600) end
  local rate = mode == "same" and 3 + pick or 1 + 30 * math.random()
  local classes = class("chat", rate, isl, osl)
  if pick % 5 == 0 then classes = classes .. ", " .. class("rag", rate / 4, 3000, 200) end
  local body = string.format(
    '{"workload": {"model": "%s", "classes": [%s], "sla": {"ttft_ms": 1500, "tpot_ms": 50}, ' ..
    '"hardware": {"accelerators": %s}}, "settings": {"explain": "none"}}',
    models[pick % 3 + 1], classes, accelerators[math.floor(pick / 3) % 3 + 1])
  return wrk.format("POST", "/v1/plans", {["Content-Type"] = "application/json"}, body)
end

local bad = 0
function response(status, headers, body)
  if status ~= 200 then bad = bad + 1 end
end

function done(summary, latency, requests)
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "not_2xx": %d, "broken": %d, "p50_ms": %.1f, ' ..
    '"p90_ms": %.1f, "p99_ms": %.1f, "max_ms": %.1f}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3))
end

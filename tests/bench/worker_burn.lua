-- wrk, one connection a thread: leases a hundred, acknowledges them with the next request.
local headers = { Authorization = "Bearer " .. os.getenv("TOKEN") }
local most, acks, done = 100, {}, 0
local threads = {}
function setup(thread) thread:set("who", os.getenv("SESSION" .. #threads)); table.insert(threads, thread) end
function request()
  local body = "{" .. who .. ',"max":' .. most .. ',"wait_ms":0,"acks":[' .. table.concat(acks, ",") .. "]}"
  acks = {}
  return wrk.format("POST", "/v1/leases", headers, body)
end
function response(status, headers, body)
  for task, fence in body:gmatch('"task":"([^"]+)","type".-"fence":"([^"]+)"') do
    acks[#acks + 1] = '{"task":"' .. task .. '","fence":"' .. fence .. '","outcome":"complete"}'
  end
end

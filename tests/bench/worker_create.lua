-- wrk: each request creates BATCH tasks. ids are UUIDv7 of now with random tails.
local headers = { Authorization = "Bearer " .. os.getenv("TOKEN") }
local batch, counter = tonumber(os.getenv("BATCH") or "1"), 0
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init() math.randomseed(os.time() * 7 + number * 7919) end
local function id()
  local ms = os.time() * 1000
  counter = counter + 1
  local hex = string.format("%012x", ms)
  return string.format("%s-%s-7%03x-8%03x-%06x%06x", hex:sub(1, 8), hex:sub(9, 12), number,
    math.random(0, 0xfff), math.random(0, 0xffffff), counter % 0x1000000)
end
function request()
  local tasks = {}
  for i = 1, batch do
    tasks[i] = '{"id":"' .. id() .. '","type":"bench","is_fresh":true,"payload":{"to":"ada@example.org","n":' ..
      i .. ',"text":"' .. string.rep("x", 120) .. '"}}'
  end
  return wrk.format("POST", "/v1/tasks", headers,
    '{"tasks":[' .. table.concat(tasks, ",") .. "]}")
end

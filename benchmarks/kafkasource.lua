-- wrk's requests: MISS and MATCH are files of KafkaSource's request, a line @@ where the record's
-- number belongs; every EVERYth request (0: none) is a match; FIRST is the first number.
local miss, match, every, number

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  miss, match = read(args[1]), read(args[2])
  every, number = tonumber(args[3]), tonumber(args[4])
end

function request()
  number = number + 1
  local template = (every > 0 and number % every == 0) and match or miss
  return (template:gsub("@@", string.format("%d", number)))
end

function done(summary)
  local errors = summary.errors
  print(string.format(
    'figures {"requests": %d, "microseconds": %d, "status": %d, "broken": %d, "timeouts": %d}',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
end

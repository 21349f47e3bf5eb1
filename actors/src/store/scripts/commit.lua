#!lua flags=allow-oom
-- Applies batches, each to one partition under its fence: all of a batch or nothing of it. One that is fenced
-- changes nothing for the others.
-- A second variant without the flag in the first line is made for batches of new work, which a full
-- server then refuses before the script starts.
--
-- KEYS  for each batch: the partition's head, then one key for each mutation, in order
-- ARGV  1: how many batches; then for each: expected token (16 bytes); expected sequence number; the next one;
--       how many operands follow; one letter for each mutation, in order; then their operands:
--          P put: value · D delete: none · I index: score, member · U unindex: score, member
--          X unindex, whatever its score is: member
--          M move: score, member, and its key is the index that the entry leaves; the next one is always
--          T to: score, member, into this key what the M before it found · A add: counter number, amount
-- Reply for each batch: 1 when applied; otherwise the head that was found (bytes), empty when there is none.
local call, byte = redis.call, string.byte
local replies, heads, moved = {}, {}, {}

-- A command costs as much as several of its keys or members do. So records are written together, and so are entries
-- of one index, in runs of one kind; what was said in order about one key is done in order. No more at once than a
-- script can hand to a command.
local AT_ONCE = 2000
local records, runs, order = {}, {}, {}

local function write_records()
  if #records > 0 then
    call('MSET', unpack(records))
    records = {}
  end
end

local function put(key, value)
  if #records >= AT_ONCE then
    write_records()
  end
  records[#records + 1] = key
  records[#records + 1] = value
end

-- Removes the entries with these scores, not those that have moved since; whether there were any.
local function unindex(key, scores, members)
  local found, there = call('ZMSCORE', key, unpack(members)), {}
  for i = 1, #members do
    if found[i] and tonumber(found[i]) == tonumber(scores[i]) then
      there[#there + 1] = members[i]
    end
  end
  if #there > 0 then
    call('ZREM', key, unpack(there))
  end
  return #there > 0
end

local function end_run(key)
  local run = runs[key]
  if run then
    runs[key] = nil
    if run.scores then
      unindex(key, run.scores, run)
    elseif run.op == 88 then
      call('ZREM', key, unpack(run))
    else
      call('ZADD', key, unpack(run))
    end
  end
end

-- The run of an index that goes on with what this operation wants.
local function run_of(key, op)
  local run = runs[key]
  if run and run.op == op and #run < AT_ONCE then
    return run
  end
  end_run(key)
  run = { op = op, scores = op == 85 and {} or nil }
  runs[key] = run
  order[#order + 1] = key
  return run
end

local key_at, at = 1, 2
for batch = 1, tonumber(ARGV[1]) do
  local head_key, token, ops = KEYS[key_at], ARGV[at], ARGV[at + 4]
  local head = heads[head_key] or call('GET', head_key)
  if head ~= token .. ARGV[at + 1] then
    replies[batch] = head or ''
    at = at + 5 + tonumber(ARGV[at + 3])
  else
    heads[head_key] = token .. ARGV[at + 2]
    at = at + 5
    local was_there = false
    for i = 1, #ops do
      local op = byte(ops, i)
      local key = KEYS[key_at + i]
      if op == 80 then -- P
        put(key, ARGV[at])
        at = at + 1
      elseif op == 73 then -- I
        local run = run_of(key, op)
        run[#run + 1] = ARGV[at]
        run[#run + 1] = ARGV[at + 1]
        at = at + 2
      elseif op == 85 then -- U
        local run = run_of(key, op)
        run.scores[#run + 1] = ARGV[at]
        run[#run + 1] = ARGV[at + 1]
        at = at + 2
      elseif op == 88 then -- X
        local run = run_of(key, op)
        run[#run + 1] = ARGV[at]
        at = at + 1
      elseif op == 77 then -- M
        end_run(key)
        was_there = unindex(key, { ARGV[at] }, { ARGV[at + 1] })
        at = at + 2
      elseif op == 84 then -- T
        end_run(key)
        if was_there then
          call('ZADD', key, ARGV[at], ARGV[at + 1])
        end
        at = at + 2
      elseif op == 68 then -- D
        write_records()
        call('UNLINK', key)
      else -- A
        call('HINCRBY', key, ARGV[at], ARGV[at + 1])
        at = at + 2
      end
    end
    moved[#moved + 1] = head_key
    replies[batch] = 1
  end
  key_at = key_at + 1 + #ops
end
for i = 1, #order do
  end_run(order[i])
end
-- Heads come last: should a command fail, none says of a batch that it was applied.
for i = 1, #moved do
  put(moved[i], heads[moved[i]])
end
write_records()
return replies

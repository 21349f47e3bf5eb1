#!lua flags=allow-oom
-- Applies one batch to one partition under its fence: all of it or nothing.
-- A second variant without the flag in the first line is made for batches of new work, which a full
-- server then refuses before the script starts.
--
-- KEYS  1: the partition's head; then one key for each mutation, in order
-- ARGV  1: expected token (16 bytes); 2: expected sequence number; 3: the next one
--       4: one letter for each mutation, in order; then its operands:
--          P put: value · D delete: none · I index: score, member · U unindex: score, member
--          M move: score, member, and its key is the index that the entry leaves; the next one is always
--          T to: score, member, into this key what the M before it found · A add: counter number, amount
-- Reply 1 when applied; otherwise the head that was found (bytes), empty when there is none.
local head = redis.call('GET', KEYS[1])
if head ~= ARGV[1] .. ARGV[2] then
  return head or ''
end
local ops = ARGV[4]
local at = 5
local was_there = false
for i = 1, #ops do
  local op = string.byte(ops, i)
  local key = KEYS[i + 1]
  if op == 80 then -- P
    redis.call('SET', key, ARGV[at])
    at = at + 1
  elseif op == 73 then -- I
    redis.call('ZADD', key, ARGV[at], ARGV[at + 1])
    at = at + 2
  elseif op == 85 or op == 77 then -- U, M: the entry with this score, not one that has moved since
    local score = redis.call('ZSCORE', key, ARGV[at + 1])
    was_there = score and tonumber(score) == tonumber(ARGV[at])
    if was_there then
      redis.call('ZREM', key, ARGV[at + 1])
    end
    at = at + 2
  elseif op == 84 then -- T
    if was_there then
      redis.call('ZADD', key, ARGV[at], ARGV[at + 1])
    end
    at = at + 2
  elseif op == 68 then -- D
    redis.call('UNLINK', key)
  else -- A
    redis.call('HINCRBY', key, ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[3])
return 1

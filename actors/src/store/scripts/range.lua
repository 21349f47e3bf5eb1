#!lua flags=no-writes
-- Reads one page of an index from a cursor, which need not stand in the index.
-- A cursor in the index is found by its rank; one that is not, by bisection among the entries of its
-- score. Redis orders members bytewise; Lua's `<` follows the locale, so bytes are compared by hand.
--
-- KEYS  1: the sorted set
-- ARGV  1: `a` ascending or `d` descending; 2: the last score wanted (descending: the first);
--       3: most entries; 4: the cursor's score, or empty for none; 5: the cursor's member
-- Reply member, score, member, score, … in ascending order in either case.
local function is_less(a, b)
  local shorter = math.min(#a, #b)
  for i = 1, shorter do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

-- Rank of the first entry that is not before the cursor, and whether that is the cursor itself.
local function seek(key, score, member)
  local stored = redis.call('ZSCORE', key, member)
  if stored and tonumber(stored) == tonumber(score) then
    return redis.call('ZRANK', key, member), true
  end
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  if member == '' then
    return low, false
  end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_less(redis.call('ZRANGE', key, middle, middle)[1], member) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low, false
end

local key, limit = KEYS[1], tonumber(ARGV[3])
local first, past = 0, redis.call('ZCOUNT', key, '-inf', ARGV[2])
if ARGV[1] == 'a' then
  if ARGV[4] ~= '' then
    local is_there
    first, is_there = seek(key, ARGV[4], ARGV[5])
    if is_there then
      first = first + 1
    end
  end
  past = math.min(past, first + limit)
else
  if ARGV[4] ~= '' then
    past = math.min(past, (seek(key, ARGV[4], ARGV[5])))
  end
  first = math.max(0, past - limit)
end
if first >= past then
  return {}
end
return redis.call('ZRANGE', key, first, past - 1, 'WITHSCORES')

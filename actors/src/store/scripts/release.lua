#!lua flags=allow-oom
-- Gives a lease back, if its token is still the one given. The head stays: the next `acquire` draws anew.
--
-- KEYS  1: the lease
-- ARGV  1: token (16 bytes)
-- Reply 1 when given back, 0 when it was not ours.
local lease = redis.call('GET', KEYS[1])
if lease and string.sub(lease, 33) == ARGV[1] then
  return redis.call('UNLINK', KEYS[1])
end
return 0

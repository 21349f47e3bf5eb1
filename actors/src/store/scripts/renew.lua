#!lua flags=allow-oom
-- Renews a lease, if its token is still the one given.
--
-- KEYS  1: the lease
-- ARGV  1: token (16 bytes); 2: time to live in milliseconds, from now on the server's clock
-- Reply 1 when renewed, 0 when it is not ours any more.
local lease = redis.call('GET', KEYS[1])
if lease and string.sub(lease, 33) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0

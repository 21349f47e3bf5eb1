#!lua flags=allow-oom
-- Takes a partition's lease if nobody else has it, and draws its new token into the head.
-- A node takes its own earlier lease back at once.
--
-- KEYS  1: the lease; 2: the head
-- ARGV  1: node (32 hex digits); 2: the new token (16 bytes); 3: time to live in milliseconds
-- Reply {1, sequence number, 0} when granted; {0, the holder's node, milliseconds left} otherwise.
local lease = redis.call('GET', KEYS[1])
if lease and string.sub(lease, 1, 32) ~= ARGV[1] then
  return {0, string.sub(lease, 1, 32), redis.call('PTTL', KEYS[1])}
end
local head = redis.call('GET', KEYS[2])
local seq = head and string.sub(head, 17) or '0'
redis.call('SET', KEYS[2], ARGV[2] .. seq)
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
return {1, seq, 0}

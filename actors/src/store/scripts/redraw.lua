#!lua flags=allow-oom
-- Replaces the token in the head and in the lease, if both still have the one given; the lease's time runs on.
--
-- KEYS  1: the lease; 2: the head
-- ARGV  1: token (16 bytes); 2: the new token (16 bytes)
-- Reply the sequence number (text) when replaced, empty otherwise.
local lease = redis.call('GET', KEYS[1])
local head = redis.call('GET', KEYS[2])
if not lease or not head or string.sub(lease, 33) ~= ARGV[1] or string.sub(head, 1, 16) ~= ARGV[1] then
  return ''
end
local seq = string.sub(head, 17)
redis.call('SET', KEYS[2], ARGV[2] .. seq)
redis.call('SET', KEYS[1], string.sub(lease, 1, 32) .. ARGV[2], 'KEEPTTL')
return seq

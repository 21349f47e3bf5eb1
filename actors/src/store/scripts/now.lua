#!lua flags=no-writes
-- The wall clock of the server that has the directory's slot: in a cluster, the one clock for all nodes.
--
-- KEYS  1: any key of the directory's slot
-- Reply milliseconds since 1970.
local time = redis.call('TIME')
return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

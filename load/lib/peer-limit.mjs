// Others that limit requests: a leaky bucket in a shared dictionary of Lua, kept as lua-resty-limit-traffic keeps it; a script in Redis for each request, asked from
// Lua (lua-nginx-redis); and HAProxy's stick tables. All three limit by the address in X-Real-IP, by X-Student and by X-Class.

import { existsSync } from 'node:fs';

import { startHaproxy } from './peer-cache.mjs';

/** Slow enough that nobody is refused and nothing is idle again while it is measured. */
export const BURST = 9999;

export const WHY_NO_LUA_REDIS = 'lua-nginx-redis is not installed (auto/deps load)';
export const hasLuaRedis = existsSync('/usr/share/lua/5.1/nginx/redis.lua');

/** Lines of the http block; `entries` is how many keys there are. */
export const luaDictHttp = (entries) => `lua_shared_dict buckets ${Math.ceil((entries * 160) / 2 ** 20)}m;
    init_by_lua_block {
        local ffi = require "ffi"
        ffi.cdef "struct bell_peer_bucket { unsigned long excess; uint64_t last; };"
        local const_ptr, size = ffi.typeof "const struct bell_peer_bucket *", ffi.sizeof "struct bell_peer_bucket"
        local record = ffi.new "struct bell_peer_bucket"
        local dict, rate, burst = ngx.shared.buckets, 1, ${BURST * 1000}
        local function incoming(key)
            local now, value, excess = ngx.now() * 1000, dict:get(key), 0
            if type(value) == "string" and #value == size then
                local was = ffi.cast(const_ptr, value)
                excess = math.max(tonumber(was.excess) - rate * math.abs(now - tonumber(was.last)) / 1000 + 1000, 0)
                if excess > burst then return false end
            end
            record.excess, record.last = excess, now
            dict:set(key, ffi.string(record, size))
            return true
        end
        function limit_in_dict()
            if not (incoming("a" .. ngx.var.binary_remote_addr) and incoming("s" .. ngx.var.http_x_student) and incoming("c" .. ngx.var.http_x_class)) then
                return ngx.exit(429)
            end
        end
    }`;
export const LUA_DICT_CHECK = 'access_by_lua_block { limit_in_dict() }';

/** GCRA in Redis, three keys in one script: one journey a request, over a pool of kept connections. */
const SCRIPT = `local t = redis.call("TIME")
local now, ok = t[1] * 1000000 + t[2], 1
local step, most = 3600000000, ${BURST + 1} * 3600000000
local tats = {}
for i = 1, #KEYS do
    local tat = tonumber(redis.call("GET", KEYS[i]) or now)
    tats[i] = math.max(tat, now) + step
    if tats[i] - now > most then ok = 0 end
end
if ok == 1 then
    for i = 1, #KEYS do redis.call("SET", KEYS[i], string.format("%.0f", tats[i]), "PX", math.ceil((tats[i] - now) / 1000)) end
end
return ok`;

/** For the init_worker phase and the location; Redis listens on the unix socket. */
export const luaRedisHttp = (socket) => `init_worker_by_lua_block {
        local redis = require "nginx.redis"
        redis.add_commands("evalsha")
        local script, sha = [[${SCRIPT}]], nil
        function limit_in_redis()
            local red = redis:new()
            red:set_timeout(1000)
            local ok, err = red:connect("unix:${socket}")
            if not ok then ngx.log(ngx.ERR, err) return ngx.exit(500) end
            if not sha then sha = red:script("load", script) end
            local allowed, why = red:evalsha(sha, 3, "a" .. ngx.var.remote_addr, "s" .. ngx.var.http_x_student, "c" .. ngx.var.http_x_class)
            if not allowed then ngx.log(ngx.ERR, why) return ngx.exit(500) end
            red:set_keepalive(60000, 64)
            if allowed ~= 1 then return ngx.exit(429) end
        end
    }`;
export const LUA_REDIS_CHECK = 'access_by_lua_block { limit_in_redis() }';

const TRACK = `    http-request track-sc0 req.hdr_ip(x-real-ip) table addresses
    http-request track-sc1 req.hdr(x-student) table students
    http-request track-sc2 req.hdr(x-class) table classes
    http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${BURST} } || { sc_http_req_rate(1) gt ${BURST} } || { sc_http_req_rate(2) gt ${BURST} }`;

/** Two threads; `limited`: with three stick tables. {name, port, pids}. */
export const startHaproxyTables = (place, limited, entries) =>
    startHaproxy(place, 'tables', { origin: 0, name: limited ? 'tables' : 'bare', values: { SIZE: Math.ceil(entries / 3), CHECK: limited ? TRACK : '' } });

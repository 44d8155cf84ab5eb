// The Lua way: an HMAC-SHA256 checked in the access phase, through LuaJIT's ffi, prepared once (libnginx-mod-http-lua).

import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';

export const LUA_MODULES = ['/usr/lib/nginx/modules/ndk_http_module.so', '/usr/lib/nginx/modules/ngx_http_lua_module.so'];

export const hasLua = LUA_MODULES.every(existsSync);
export const WHY_NO_LUA = 'libnginx-mod-http-lua is not installed (auto/deps load)';

/** An address of this path that is good until then, under the key (hexadecimal). */
export function signQuery(hex, until, path) {
    const token = createHmac('sha256', Buffer.from(hex, 'hex')).update(`${until}${path}`).digest('hex');
    return `${path}?token=${token}&expires=${until}`;
}

/** For the location, and for the http block. */
export const LUA_CHECK = 'access_by_lua_block { check() }';
export const luaHttp = (hex) => `init_by_lua_block {
        local ffi = require "ffi"
        ffi.cdef [[
            typedef struct evp_md_st EVP_MD;
            const EVP_MD *EVP_sha256(void);
            unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *out, unsigned int *len);
            int CRYPTO_memcmp(const void *a, const void *b, size_t len);
        ]]
        local C, md, out, len, wanted = ffi.C, ffi.C.EVP_sha256(), ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]"), ffi.new("unsigned char[32]")
        local key = ("${hex}"):gsub("..", function(b) return string.char(tonumber(b, 16)) end)
        function check()
            local token, expires = ngx.var.arg_token, ngx.var.arg_expires
            if not token or #token ~= 64 or not expires or tonumber(expires) <= ngx.time() then return ngx.exit(403) end
            local text = expires .. ngx.var.uri
            C.HMAC(md, key, #key, text, #text, out, len)
            for i = 0, 31 do wanted[i] = tonumber(token:sub(2 * i + 1, 2 * i + 2), 16) or 0 end
            if C.CRYPTO_memcmp(out, wanted, 32) ~= 0 then return ngx.exit(403) end
        end
    }`;

-- wrk script: signs every request with SigV4 through libcrypto, so that a load is what clients really send.
-- wrk -s sign.lua URL -- METHOD BUCKET MODE COUNT BYTES   with ACCESS, SIGNING_KEY (hex), SCOPE, DATE, HOST in the environment
--   MODE fixed: the key "object"; MODE new: a new key for each request below PREFIX/; MODE cycle: COUNT keys in turn
local ffi = require("ffi")
ffi.cdef [[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *out, unsigned int *len);
unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *out);
]]
local crypto = ffi.load("crypto.so.3")
local digest = ffi.new("unsigned char[32]")
local env = os.getenv
local access, scope, date, host = env("ACCESS"), env("SCOPE"), env("DATE"), env("HOST")
local prefix = env("PREFIX") or "load"
local signing_key = (env("SIGNING_KEY"):gsub("..", function(h) return string.char(tonumber(h, 16)) end))

local function hex(bytes)
    return (ffi.string(bytes, 32):gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

local threads = 0
function setup(thread)
    thread:set("thread_number", threads)
    threads = threads + 1
end

local method, bucket, mode, count, body
local n = 0
function init(args)
    method, bucket, mode, count = args[1], args[2], args[3], tonumber(args[4])
    local size = tonumber(args[5] or "0")
    body = size > 0 and string.rep("x", size) or nil
end

local function key()
    if mode == "fixed" then return "object" end
    n = n + 1
    if mode == "cycle" then return string.format("%s/%06d", prefix, n % count) end
    return string.format("%s/%d-%08d", prefix, thread_number, n)
end

function request()
    local path = "/" .. bucket .. "/" .. key()
    local canonical = method .. "\n" .. path .. "\n\nhost:" .. host .. "\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:" ..
        date .. "\n\nhost;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD"
    crypto.SHA256(canonical, #canonical, digest)
    local to_sign = "AWS4-HMAC-SHA256\n" .. date .. "\n" .. scope .. "\n" .. hex(digest)
    crypto.HMAC(crypto.EVP_sha256(), signing_key, #signing_key, to_sign, #to_sign, digest, nil)
    return wrk.format(method, path, {
        ["Host"] = host,
        ["x-amz-date"] = date,
        ["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD",
        ["Authorization"] = "AWS4-HMAC-SHA256 Credential=" .. access .. "/" .. scope ..
            ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=" .. hex(digest),
    }, body)
end


function done(summary, latency)
    io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
        summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end

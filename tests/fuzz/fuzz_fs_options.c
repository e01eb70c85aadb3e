/*
 * The command line of a mount: words with NUL between, the first the program's name. What is taken keeps the limits
 * that are documented, and a source that is taken is the same when it is put together again. No file is read: there is
 * no descriptor to open one with.
 */
#include <errno.h>
#include <sys/resource.h>

#include "fs/options.h"
#include "objstore/base/clock.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS = 12 };

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_source(const struct source *s)
{
    struct source again;
    struct buf text = BUF_INIT;
    buf_add_cstr(&text, s->endpoint);
    if (span_starts(span_cstr(s->endpoint), SPAN_LIT("unix:")))
        buf_add_char(&text, ':');
    buf_printf(&text, "/%s/%s", s->bucket ? s->bucket : "", s->prefix ? s->prefix : "");
    buf_add_char(&text, '\0');
    FUZZ_CHECK(!s->prefix || (s->bucket && s->prefix[0] != '/'));
    FUZZ_CHECK(source_parse(text.ptr, &again) == 0);
    FUZZ_CHECK(is_same(s->endpoint, again.endpoint) && is_same(s->bucket, again.bucket) &&
               is_same(s->prefix, again.prefix));
    source_release(&again);
    buf_release(&text);
}

static bool is_id(uint64_t id)
{
    return id == OPTION_ID_NONE || id < UINT32_MAX;
}

static void check(const struct mount_options *o)
{
    if (o->help || o->version)
        return;
    FUZZ_CHECK(o->mountpoint[0] == '/' && o->credentials.access_key && o->credentials.secret && o->source_text);
    FUZZ_CHECK(!(o->hard && o->soft) && (!o->soft || o->timeout_ns >= NS_PER_SEC) && o->attr_timeout_ns >= 0);
    FUZZ_CHECK(o->dirty >= 16 << 20 && o->dirty <= 16ull << 30 && o->read_ahead <= 256 << 20);
    FUZZ_CHECK(o->max_background >= 1 && o->max_background <= 4096 && o->threads >= 4 && o->threads <= 4096);
    FUZZ_CHECK(is_id(o->uid) && is_id(o->gid));
    FUZZ_CHECK(o->kernel.len == 0 || !memchr(o->kernel.ptr, '=', o->kernel.len));
    check_source(&o->source);
}

static int read_quietly(int argc, char **argv, struct mount_options *ret_options)
{
    static FILE *nowhere;
    struct rlimit limit, none;
    FILE *before = stderr;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    stderr = nowhere;
    int rc = options_read(argc, argv, ret_options);
    stderr = before;
    setrlimit(RLIMIT_NOFILE, &limit);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mount_options options = {0};
    char *words[WORDS + 1] = {NULL}, *text = malloc(size + 1);
    int count = 0;
    setenv("AWS_ACCESS_KEY_ID", "key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    for (size_t at = 0; at <= size && count < WORDS; at += strlen(text + at) + 1)
        words[count++] = text + at;
    int rc = read_quietly(count, words, &options);
    FUZZ_CHECK(rc <= 0);
    if (rc == 0)
        check(&options);
    options_release(&options);
    free(text);
    return 0;
}

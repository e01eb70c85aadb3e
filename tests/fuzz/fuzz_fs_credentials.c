/*
 * A mount's credentials file: "PROFILE LF BUCKET LF", then the text. What is found stands in a line of the
 * text, and is found again in a file that has only it.
 */
#include "fs/credentials.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

static bool stands_in(struct span text, const char *word)
{
    return memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

static bool is_word(const char *word)
{
    return *word && !strchr(word, '\n');
}

static void check_again(const struct credentials *found, const char *profile)
{
    struct credentials again;
    struct buf text = BUF_INIT;
    buf_printf(&text, "# only one\r\n[ %s ]\r\naws_access_key_id=%s\naws_secret_access_key = %s \r\n", profile,
               found->access_key, found->secret);
    FUZZ_CHECK(credentials_parse(buf_span(&text), profile, NULL, &again) == 0);
    FUZZ_CHECK(span_eq(span_trim(span_cstr(found->access_key)), span_cstr(again.access_key)));
    FUZZ_CHECK(span_eq(span_trim(span_cstr(found->secret)), span_cstr(again.secret)));
    credentials_release(&again);
    buf_release(&text);
}

/* A string of its own, or NULL for an empty one. */
static char *take_line(struct span *rest)
{
    struct span line = span_cut(rest, '\n');
    return line.len ? strndup(line.ptr, line.len) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make(data, size);
    struct credentials found = {0};
    char *profile = take_line(&text), *bucket = take_line(&text);
    int rc = credentials_parse(text, profile, bucket, &found);
    FUZZ_CHECK(rc == 0 || rc == -ENOENT);
    FUZZ_CHECK((rc == 0) == (found.access_key && found.secret));
    if (rc == 0) {
        FUZZ_CHECK(is_word(found.access_key) && is_word(found.secret));
        FUZZ_CHECK(stands_in(text, found.access_key) && stands_in(text, found.secret));
        if (span_trim(span_cstr(found.access_key)).len && span_trim(span_cstr(found.secret)).len)
            check_again(&found, "p");
    }
    credentials_release(&found);
    free(profile);
    free(bucket);
    return 0;
}

/* Names of the store and of a mount: what is shown reads back as the name, and what reads as a name is shown so. */
#include "objstore/namespace/name.h"
#include "tests/fuzz/fuzz.h"

static void check_shown(struct span name, bool shadowed)
{
    char shown[NAME_SHOWN_MAX];
    struct span read;
    int len = name_show(name, shadowed, shown);
    FUZZ_CHECK(len >= 1 && len <= NAME_SHOWN_MAX);
    struct span form = span_make(shown, (size_t)len);
    FUZZ_CHECK(!span_is(form, ".") && !span_is(form, ".."));
    enum name_kind kind = name_read(form, &read);
    if (kind == NAME_LONG)
        FUZZ_CHECK(span_starts(name, read) && read.len < name.len);
    else
        FUZZ_CHECK(kind == (shadowed ? NAME_OBJECT : NAME_PLAIN) && span_eq(read, name));
}

static void check_read(struct span form)
{
    char again[NAME_SHOWN_MAX];
    struct span name;
    if (form.len == 0 || form.len > NAME_SHOWN_MAX || span_is(form, ".") || span_is(form, ".."))
        return;
    enum name_kind kind = name_read(form, &name);
    if (kind == NAME_LONG)
        return;
    int len = name_show(name, kind == NAME_OBJECT, again);
    FUZZ_CHECK(len > 0 && span_eq(span_make(again, (size_t)len), form));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_make(data, size);
    if (size > 1024 || memchr(data, '/', size) || memchr(data, 0, size))
        return 0;
    check_read(s);
    check_shown(s, false);
    if (size > 0)
        check_shown(s, true);
    (void)name_is_bucket(s);
    return 0;
}

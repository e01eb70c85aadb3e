/* Names as a mount shows them: the escape is reversible, and never ambiguous. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "objstore/namespace/name.h"

static struct span show(struct span name, bool shadowed)
{
    static char shown[NAME_SHOWN_MAX];
    int len = name_show(name, shadowed, shown);
    cr_assert(len >= 1 && len <= NAME_SHOWN_MAX);
    return span_make(shown, (size_t)len);
}

static void expect(const char *name, bool shadowed, const char *shown)
{
    struct span form = show(span_cstr(name), shadowed), read;
    cr_assert(span_is(form, shown), "%s: " SPAN_FMT, name, SPAN_ARG(form));
    cr_assert_eq(name_read(form, &read), shadowed ? NAME_OBJECT : NAME_PLAIN);
    cr_assert(span_is(read, name), "%s: " SPAN_FMT, shown, SPAN_ARG(read));
}

Test(ns_names, most_names_stand_for_themselves)
{
    const char *names[] = {
        "a",        "...",           ".hidden",        "@cairn",        "@cairn.",
        "@cairn.x", "@cairn.name.a", "@cairn.object.", "@cairn.long.x", "@cairn.long.~0123456789abcdef0123456789abcdef",
        "\xff\xfe"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        expect(names[i], false, names[i]);
}

Test(ns_names, what_a_mount_can_not_show_is_escaped)
{
    expect("", false, "@cairn.name.");
    expect(".", false, "@cairn.name..");
    expect("..", false, "@cairn.name...");
    expect("a", true, "@cairn.object.a");
    expect(".", true, "@cairn.object..");
    expect("@cairn.name.", false, "@cairn.name.@cairn.name.");
    expect("@cairn.name.@cairn.name.", false, "@cairn.name.@cairn.name.@cairn.name.");
    expect("@cairn.object.a", false, "@cairn.name.@cairn.object.a");
    expect("@cairn.object.a", true, "@cairn.object.@cairn.object.a");
    expect("@cairn.long.x~0123456789abcdef0123456789abcdef", false,
           "@cairn.name.@cairn.long.x~0123456789abcdef0123456789abcdef");
    expect("@cairn.long.x~0123456789ABCDEF0123456789abcdef", false, "@cairn.long.x~0123456789ABCDEF0123456789abcdef");
}

Test(ns_names, long_names_keep_their_beginning_and_are_told_apart)
{
    char name[1024], other[NAME_SHOWN_MAX];
    struct span read;
    memset(name, 'n', sizeof(name));
    for (size_t len = 256; len <= sizeof(name); len += 256) {
        struct span form = show(span_make(name, len), false);
        cr_assert_eq(form.len, NAME_SHOWN_MAX);
        cr_assert_eq(name_read(form, &read), NAME_LONG);
        cr_assert(span_starts(span_make(name, len), read));
        memcpy(other, form.ptr, form.len);
        name[len - 1] = 'm';
        cr_assert_not(span_eq(show(span_make(name, len), false), span_make(other, sizeof(other))));
        cr_assert_not(span_eq(show(span_make(name, len), true), span_make(other, sizeof(other))));
        name[len - 1] = 'n';
    }
    cr_assert(span_eq(show(span_make(name, 255), false), span_make(name, 255)));
    cr_assert_eq(name_read(show(span_make(name, 255), true), &read), NAME_LONG);
}

Test(ns_names, long_names_are_cut_between_characters)
{
    char name[1024];
    struct span read;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(name, 'x', sizeof(name));
        for (size_t i = shift; i + 4 <= sizeof(name); i += 4)
            memcpy(name + i, "\xf0\x9f\x8f\x94", 4);
        cr_assert_eq(name_read(show(span_make(name, sizeof(name)), false), &read), NAME_LONG);
        cr_assert(span_is_utf8(read));
    }
    memset(name, 0x80, sizeof(name));
    cr_assert_eq(name_read(show(span_make(name, sizeof(name)), false), &read), NAME_LONG);
}

/* Pieces that make escapes of escapes likely. */
static struct span random_name(char bytes[400])
{
    static const char *const pieces[] = {"@cairn.",
                                         "name.",
                                         "object.",
                                         "long.",
                                         "longobject.",
                                         ".",
                                         "a",
                                         "~",
                                         "/",
                                         "0123456789abcdef0123456789abcdef",
                                         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"};
    size_t len = 0;
    for (int n = rand() % 9; n > 0; n--) {
        struct span piece = span_cstr(pieces[(size_t)rand() % (sizeof(pieces) / sizeof(*pieces))]);
        if (span_is(piece, "/") || len + piece.len > 400)
            continue;
        memcpy(bytes + len, piece.ptr, piece.len);
        len += piece.len;
    }
    return span_make(bytes, len);
}

Test(ns_names, random_names_come_back)
{
    char bytes[400];
    srand(1);
    for (int i = 0; i < 200000; i++) {
        struct span name = random_name(bytes), read;
        bool shadowed = rand() % 2;
        if (name.len == 0)
            shadowed = false;
        enum name_kind kind = name_read(show(name, shadowed), &read);
        if (kind == NAME_LONG) {
            cr_assert(span_starts(name, read));
            continue;
        }
        cr_assert_eq(kind, shadowed ? NAME_OBJECT : NAME_PLAIN);
        cr_assert(span_eq(read, name));
    }
}

Test(ns_names, every_form_is_shown_as_itself)
{
    char bytes[400];
    srand(2);
    for (int i = 0; i < 200000; i++) {
        struct span form = random_name(bytes), name;
        if (form.len == 0 || form.len > NAME_SHOWN_MAX || span_is(form, ".") || span_is(form, ".."))
            continue;
        enum name_kind kind = name_read(form, &name);
        if (kind != NAME_LONG)
            cr_assert(span_eq(show(name, kind == NAME_OBJECT), form), SPAN_FMT, SPAN_ARG(form));
    }
}

Test(ns_names, bucket_names_follow_the_rules_of_s3)
{
    static const char *const good[] = {"abc",   "my-bucket", "my.bucket.1",         "1bucket", "a-.b",
                                       "1.2.3", "1.2.3.4.5", "amzn-s3-demo-bucket", "cairn-a"};
    static const char *const bad[] = {"",         "ab",         "Abc",         "a_b",        "-abc",
                                      "abc-",     ".abc",       "abc.",        "a..b",       "192.168.5.4",
                                      "xn--abc",  "sthree-abc", "abc-s3alias", "abc--ol-s3", "abc--x-s3",
                                      "abc.mrap", "a b",        "a/b",         "cairn",      "minio"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        cr_expect(name_is_bucket(span_cstr(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_expect_not(name_is_bucket(span_cstr(bad[i])), "%s", bad[i]);
    char name[65];
    memset(name, 'a', sizeof(name));
    cr_expect(name_is_bucket(span_make(name, 63)));
    cr_expect_not(name_is_bucket(span_make(name, 64)));
}

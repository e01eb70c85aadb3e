#include "server/wire/posix.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "objstore/base/hash.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const uint16_t codes[] = {
#define X(name, code, class, arguments, result) code,
    POSIX_OPERATIONS(X)
#undef X
};

static struct posix_request request(void)
{
    struct posix_request r = {.generation = 77, .sequence = 5, .slot = 3};
    memcpy(r.session, "0123456789abcdef", POSIX_SESSION_ID);
    return r;
}

/* Every field another value; those that an operation does not have are expected to come back as zeros. */
static struct posix_op full_op(uint16_t code)
{
    return (struct posix_op){.code = code,
                             .marks = POSIX_OP_CONTINUE,
                             .ino = 1,
                             .ino2 = UINT64_MAX,
                             .handle = 3,
                             .off = 4,
                             .off2 = 5,
                             .len = 6,
                             .size = 7,
                             .rdev = 8,
                             .atime = -9,
                             .mtime = INT64_MIN,
                             .ctime = 11,
                             .valid = 12,
                             .flags = 13,
                             .count = 14,
                             .type = 15,
                             .mode = 16,
                             .uid = 17,
                             .gid = UINT32_MAX,
                             .name = SPAN_LIT("name"),
                             .name2 = SPAN_LIT("an\0other"),
                             .data = SPAN_LIT("data\n")};
}

static struct posix_result full_result(uint16_t code)
{
    return (struct posix_result){.code = code,
                                 .value = 1,
                                 .events = 2,
                                 .total = 3,
                                 .free = 4,
                                 .inodes = 5,
                                 .flags = 6,
                                 .count = 7,
                                 .data = SPAN_LIT("bytes"),
                                 .attr = {.ino = 1,
                                          .version = 2,
                                          .size = 3,
                                          .blocks = 4,
                                          .rdev = 5,
                                          .parent = 6,
                                          .atime = -1,
                                          .mtime = 8,
                                          .ctime = 9,
                                          .btime = 10,
                                          .mode = 11,
                                          .uid = 12,
                                          .gid = 13,
                                          .nlink = 14,
                                          .type = 15}};
}

static bool same_u64(uint64_t got, uint64_t want)
{
    return got == want || got == 0;
}

static bool same_span(struct span got, struct span want)
{
    return got.len == 0 || span_eq(got, want);
}

/* What was encoded, encoded again, gives the same bytes: so nothing was lost between. */
static void check_op(uint16_t code)
{
    struct posix_request head = request(), got;
    struct posix_op op = full_op(code), back;
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct span rest;

    cr_assert_eq(posix_request_begin(&first, &head), 0);
    cr_assert_eq(posix_op_add(&first, &op), 0);
    cr_assert_eq(posix_request_end(&first), 0);
    cr_assert_eq(posix_request_decode(buf_span(&first), &got, &rest), 0);
    cr_assert_eq(got.count, 1);
    cr_assert_eq(posix_op_next(&rest, &back), 1, "%s", posix_name_of(code));
    cr_expect(back.code == code && back.marks == POSIX_OP_CONTINUE);
    cr_expect(same_u64(back.ino, 1) && same_u64(back.off2, 5) && same_u64((uint64_t)back.atime, (uint64_t)-9));
    cr_expect(same_span(back.name, op.name) && same_span(back.name2, op.name2) && same_span(back.data, op.data));
    cr_expect_eq(posix_op_next(&rest, &back), 0);

    posix_request_begin(&second, &got);
    rest = span_from(buf_span(&first), 48);
    posix_op_next(&rest, &back);
    posix_op_add(&second, &back);
    cr_expect(span_eq(buf_span(&first), buf_span(&second)), "%s", posix_name_of(code));
    buf_release(&first);
    buf_release(&second);
}

Test(posix_codec, every_operation_comes_back_as_it_was)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        check_op(codes[i]);
}

static void check_result(uint16_t code)
{
    struct posix_reply head = {.instance = 9, .sequence = 8, .commit = 7}, got;
    struct posix_result result = full_result(code), back;
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct span rest;

    posix_reply_begin(&first, &head);
    cr_assert_eq(posix_result_add(&first, &result), 0);
    cr_assert_eq(posix_reply_decode(buf_span(&first), &got, &rest), 0);
    cr_assert(got.instance == 9 && got.sequence == 8 && got.commit == 7 && got.count == 1 && got.status == 0);
    cr_assert_eq(posix_result_next(&rest, &back), 1, "%s", posix_name_of(code));
    posix_reply_begin(&second, &head);
    posix_result_add(&second, &back);
    cr_expect(span_eq(buf_span(&first), buf_span(&second)), "%s", posix_name_of(code));
    size_t max = posix_result_max(code);
    cr_expect(max == 0 || first.len - POSIX_REPLY_HEAD <= max);
    cr_expect(max == 0 || code == POSIX_READLINK || max <= POSIX_RESULT_SMALL);
    buf_release(&first);
    buf_release(&second);
}

Test(posix_codec, every_result_comes_back_as_it_was)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        check_result(codes[i]);
}

Test(posix_codec, attributes_come_back_as_they_were)
{
    struct posix_result result = full_result(POSIX_GETATTR), back;
    struct posix_reply got;
    struct buf out = BUF_INIT;
    struct span rest;
    posix_reply_begin(&out, &(struct posix_reply){0});
    posix_result_add(&out, &result);
    posix_reply_decode(buf_span(&out), &got, &rest);
    cr_assert_eq(posix_result_next(&rest, &back), 1);
    cr_expect(back.attr.ino == 1 && back.attr.parent == 6 && back.attr.atime == -1 && back.attr.btime == 10);
    cr_expect(back.attr.mode == 11 && back.attr.gid == 13 && back.attr.type == 15);
    buf_release(&out);
}

Test(posix_codec, a_failure_carries_no_fields)
{
    struct posix_result failure = full_result(POSIX_CREATE), back;
    struct posix_reply got;
    struct buf out = BUF_INIT;
    struct span rest;
    failure.status = EEXIST;
    posix_reply_begin(&out, &(struct posix_reply){.status = 0});
    posix_result_add(&out, &failure);
    cr_expect_eq(out.len, POSIX_REPLY_HEAD + 8u);
    posix_reply_decode(buf_span(&out), &got, &rest);
    cr_expect_eq(posix_result_next(&rest, &back), 1);
    cr_expect(back.status == EEXIST && back.attr.ino == 0);
    cr_expect_eq(posix_status_code(back.status), -EEXIST);
    buf_release(&out);
}

Test(posix_codec, finer_causes_travel_as_their_errno)
{
    cr_expect_eq(posix_status(0), 0);
    cr_expect_eq(posix_status(-ENOENT), ENOENT);
    cr_expect_eq(posix_status(CAIRN_EQUORUM), EIO);
    cr_expect_eq(posix_status(CAIRN_ESESSION), ESTALE);
    cr_expect_eq(posix_status_code(60000), -EIO);
}

Test(posix_codec, reserved_data_is_filled_or_spoiled_later)
{
    struct posix_result result = {.code = POSIX_READ, .attr = {.ino = 9}}, back;
    struct posix_reply got;
    struct buf out = BUF_INIT;
    struct span rest;
    size_t at;

    posix_reply_begin(&out, &(struct posix_reply){0});
    cr_assert_eq(posix_result_reserve(&out, &result, 1000, &at), 0);
    posix_result_add(&out, &(struct posix_result){.code = POSIX_FSYNC});
    memset(out.ptr + at, 'x', 1000);
    cr_assert_eq(posix_reply_decode(buf_span(&out), &got, &rest), 0);
    cr_assert_eq(posix_result_next(&rest, &back), 1);
    cr_expect(back.status == 0 && back.attr.ino == 9 && back.data.len == 1000 && back.data.ptr[999] == 'x');

    posix_result_spoil(&out, &result, at, EIO);
    cr_assert_eq(posix_reply_decode(buf_span(&out), &got, &rest), 0);
    cr_assert_eq(posix_result_next(&rest, &back), 1);
    cr_expect(back.status == EIO && back.data.len == 0);
    cr_expect_eq(posix_result_next(&rest, &back), 1);
    cr_expect(back.code == POSIX_FSYNC && back.status == 0);
    buf_release(&out);
}

Test(posix_codec, limits_are_kept_and_leave_the_request_as_it_was)
{
    struct posix_request head = request(), got;
    struct buf out = BUF_INIT;
    struct span rest;
    char *big = calloc(1, POSIX_WRITE_MAX + 1);
    struct posix_op write = {.code = POSIX_WRITE, .ino = 2, .data = span_make(big, POSIX_WRITE_MAX + 1)};

    posix_request_begin(&out, &head);
    size_t before = out.len;
    cr_expect_eq(posix_op_add(&out, &write), CAIRN_ETOOBIG);
    cr_expect_eq(posix_op_add(&out, &(struct posix_op){.code = 999}), -EINVAL);
    struct posix_op lookup = {.code = POSIX_LOOKUP, .name = span_make(big, POSIX_PATH_MAX + 1)};
    cr_expect_eq(posix_op_add(&out, &lookup), CAIRN_ETOOBIG);
    cr_expect_eq(out.len, before);
    write.data.len = POSIX_WRITE_MAX;
    cr_expect_eq(posix_op_add(&out, &write), 0);
    cr_expect_eq(posix_op_add(&out, &write), CAIRN_ETOOBIG);
    cr_assert_eq(posix_request_decode(buf_span(&out), &got, &rest), 0);
    cr_expect_eq(got.count, 1);

    posix_request_begin(&out, &head);
    for (int i = 0; i < POSIX_OPS_MAX; i++)
        cr_assert_eq(posix_op_add(&out, &(struct posix_op){.code = POSIX_STATFS}), 0);
    cr_expect_eq(posix_op_add(&out, &(struct posix_op){.code = POSIX_STATFS}), CAIRN_ETOOBIG);
    free(big);
    buf_release(&out);
}

Test(posix_codec, a_cut_request_is_refused_wherever_it_is_cut)
{
    struct posix_request head = request(), got;
    struct posix_op op = full_op(POSIX_RENAME);
    struct buf out = BUF_INIT;
    struct span rest;
    posix_request_begin(&out, &head);
    posix_op_add(&out, &op);
    posix_op_add(&out, &op);
    for (size_t len = 0; len < out.len; len++)
        cr_expect_eq(posix_request_decode(span_head(buf_span(&out), len), &got, &rest), CAIRN_ESYNTAX, "%zu", len);
    buf_release(&out);
}

Test(posix_codec, malformed_requests_are_refused)
{
    static const struct {
        const char *what;
        size_t at;
        char value;
    } rows[] = {
        {"magic", 0, 'X'},          {"version", 4, 9},           {"zero", 6, 1},
        {"count", 42, 2},           {"reserved", 44, 1},         {"mark", 48 + 3, 0x7f},
        {"name longer", 56 + 8, 9}, {"name shorter", 56 + 8, 1},
    };
    struct posix_request head = request(), got;
    struct posix_op op = {.code = POSIX_LOOKUP, .ino = 4, .name = SPAN_LIT("four")}, back;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT;
        struct span rest;
        posix_request_begin(&out, &head);
        posix_op_add(&out, &op);
        out.ptr[rows[i].at] = rows[i].value;
        int rc = posix_request_decode(buf_span(&out), &got, &rest);
        if (rc == 0)
            rc = posix_op_next(&rest, &back);
        cr_expect_eq(rc, CAIRN_ESYNTAX, "%s", rows[i].what);
        buf_release(&out);
    }
}

Test(posix_codec, an_unknown_operation_is_skipped_and_named)
{
    struct posix_request head = request(), got;
    struct posix_op back;
    struct buf out = BUF_INIT;
    struct span rest;
    posix_request_begin(&out, &head);
    posix_op_add(&out, &(struct posix_op){.code = POSIX_GETATTR, .ino = 3});
    posix_op_add(&out, &(struct posix_op){.code = POSIX_STATFS});
    put_le16(out.ptr + 48, 900);
    cr_assert_eq(posix_request_decode(buf_span(&out), &got, &rest), 0);
    cr_expect_eq(posix_op_next(&rest, &back), -ENOSYS);
    cr_expect_eq(back.code, 900);
    cr_expect_eq(posix_op_next(&rest, &back), 1);
    cr_expect_eq(back.code, POSIX_STATFS);
    buf_release(&out);
}

Test(posix_codec, entries_come_back_with_what_they_had)
{
    struct posix_entry rows[] = {
        {.ino = 5, .type = POSIX_DIR, .name = SPAN_LIT("dir")},
        {.ino = 6, .type = POSIX_FILE, .name = SPAN_LIT("file"), .has_attr = true, .attr = {.ino = 6, .size = 3}},
        {.ino = 7,
         .type = POSIX_FILE,
         .name = SPAN_LIT("x"),
         .has_attr = true,
         .has_body = true,
         .body = SPAN_LIT("abc")},
        {.ino = 8, .type = POSIX_FILE, .name = SPAN_LIT("e"), .has_attr = true, .has_body = true},
    };
    struct buf out = BUF_INIT;
    size_t size = 0;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_assert_eq(posix_entry_add(&out, &rows[i]), 0);
        size += posix_entry_size(&rows[i]);
        cr_expect_eq(out.len, size);
    }
    struct span rest = buf_span(&out);
    struct posix_entry got;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_assert_eq(posix_entry_next(&rest, &got), 1);
        cr_expect(got.ino == rows[i].ino && got.type == rows[i].type && span_eq(got.name, rows[i].name));
        cr_expect(got.has_attr == rows[i].has_attr && got.attr.size == rows[i].attr.size);
        cr_expect(got.has_body == rows[i].has_body && span_eq(got.body, rows[i].body));
    }
    cr_expect_eq(posix_entry_next(&rest, &got), 0);
    rest = span_head(buf_span(&out), out.len - 1);
    int rc;
    while ((rc = posix_entry_next(&rest, &got)) == 1)
        ;
    cr_expect_eq(rc, CAIRN_ESYNTAX);
    buf_release(&out);
}

Test(posix_codec, names_longer_than_a_directory_can_have_are_refused)
{
    static const size_t lengths[] = {0, 1, POSIX_NAME_MAX, POSIX_NAME_MAX + 1};
    char name[POSIX_NAME_MAX + 1];
    struct buf entries = BUF_INIT, frames = BUF_INIT;
    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct posix_entry entry = {.ino = 5, .type = POSIX_FILE, .name = span_make(name, lengths[i])}, got;
        bool good = lengths[i] >= 1 && lengths[i] <= POSIX_NAME_MAX;
        cr_expect_eq(posix_entry_add(&entries, &entry), good ? 0 : -EINVAL);
        /* Made by another: the length behind ino, type and flags, and the item's own. */
        buf_clear(&entries);
        entry.name.len = 1;
        posix_entry_add(&entries, &entry);
        entries.len -= 1;
        buf_add(&entries, name, lengths[i]);
        put_le32(entries.ptr, (uint32_t)entries.len - 4);
        put_le16(entries.ptr + 14, (uint16_t)lengths[i]);
        struct span rest = buf_span(&entries);
        cr_expect_eq(posix_entry_next(&rest, &got), good ? 1 : CAIRN_ESYNTAX);
        buf_clear(&entries);
    }
    cr_expect_eq(posix_entry_add(&entries, &(struct posix_entry){.name = SPAN_LIT("a/b")}), -EINVAL);
    cr_expect_eq(posix_entry_add(&entries, &(struct posix_entry){.name = SPAN_LIT("a\0b")}), -EINVAL);
    posix_frame_add(&frames, &(struct posix_frame){.kind = POSIX_FRAME_ENTRY, .name = span_make(name, POSIX_NAME_MAX)});
    struct posix_frame got;
    struct span rest = buf_span(&frames);
    cr_expect_eq(posix_frame_next(&rest, &got), 1);
    buf_add_char(&frames, 'n');
    put_le32(frames.ptr, (uint32_t)frames.len - 4);
    put_le16(frames.ptr + frames.len - POSIX_NAME_MAX - 3, POSIX_NAME_MAX + 1);
    rest = buf_span(&frames);
    cr_expect_eq(posix_frame_next(&rest, &got), CAIRN_ESYNTAX);
    buf_release(&entries);
    buf_release(&frames);
}

Test(posix_codec, frames_are_taken_whole_from_a_stream_in_pieces)
{
    struct buf out = BUF_INIT;
    struct posix_frame got;
    posix_frame_add(&out, &(struct posix_frame){.kind = POSIX_FRAME_ALIVE, .sequence = 1});
    posix_frame_add(&out, &(struct posix_frame){
                              .kind = POSIX_FRAME_ENTRY, .sequence = 2, .ino = 3, .dir = 4, .name = SPAN_LIT("n")});
    unsigned seen = 0;
    size_t taken = 0;
    for (size_t len = 0; len <= out.len; len++) {
        struct span rest = span_make(out.ptr + taken, len - taken);
        while (posix_frame_next(&rest, &got) == 1)
            seen++;
        taken = (size_t)(rest.ptr - out.ptr);
    }
    cr_expect_eq(seen, 2);
    cr_expect(got.kind == POSIX_FRAME_ENTRY && got.sequence == 2 && got.ino == 3 && got.dir == 4);
    out.ptr[4] = 99;
    struct span rest = buf_span(&out);
    cr_expect_eq(posix_frame_next(&rest, &got), CAIRN_ESYNTAX);
    put_le32(out.ptr, POSIX_FRAME_MAX);
    rest = buf_span(&out);
    cr_expect_eq(posix_frame_next(&rest, &got), CAIRN_ESYNTAX);
    buf_release(&out);
}

static void take_all(struct span query, struct posix_stream *ret_stream)
{
    while (query.ptr) {
        struct span value = span_cut(&query, '&');
        struct span name = span_cut(&value, '=');
        if (!span_is(name, "cairn"))
            cr_assert_eq(posix_query_take(name, value, ret_stream), 0, SPAN_FMT, SPAN_ARG(name));
    }
}

Test(posix_codec, queries_come_back_and_are_sorted)
{
    struct posix_stream stream = {.given = POSIX_GIVEN_PUT | POSIX_GIVEN_SYNC | POSIX_GIVEN_AFTER | POSIX_GIVEN_LEN,
                                  .generation = UINT64_MAX,
                                  .ino = 2,
                                  .off = POSIX_OFF_END,
                                  .len = 1,
                                  .slot = 63,
                                  .sequence = 9,
                                  .sync = 1,
                                  .after = 4};
    struct posix_stream back = {0};
    struct buf out = BUF_INIT;
    memcpy(stream.session, "0123456789abcdef", POSIX_SESSION_ID);
    cr_assert_eq(posix_query_add(&out, "data", &stream), 0);
    take_all(buf_span(&out), &back);
    cr_expect_eq(back.given, stream.given);
    cr_expect(memcmp(back.session, stream.session, POSIX_SESSION_ID) == 0 && back.off == POSIX_OFF_END);
    cr_expect(back.generation == UINT64_MAX && back.slot == 63 && back.sequence == 9 && back.sync == 1 &&
              back.after == 4);

    struct span rest = buf_span(&out), before = SPAN_EMPTY;
    while (rest.ptr) {
        struct span pair = span_cut(&rest, '&');
        cr_expect(span_cmp(before, pair) < 0);
        before = pair;
    }
    buf_release(&out);
}

Test(posix_codec, bad_parameters_are_refused)
{
    struct posix_stream stream = {0};
    cr_expect_eq(posix_query_take(SPAN_LIT("ino"), SPAN_LIT("x"), &stream), CAIRN_ESYNTAX);
    cr_expect_eq(posix_query_take(SPAN_LIT("ino"), SPAN_LIT("-1"), &stream), CAIRN_ESYNTAX);
    cr_expect_eq(posix_query_take(SPAN_LIT("ino"), SPAN_LIT("end"), &stream), CAIRN_ESYNTAX);
    cr_expect_eq(posix_query_take(SPAN_LIT("session"), SPAN_LIT("00"), &stream), CAIRN_ESYNTAX);
    cr_expect_eq(posix_query_take(SPAN_LIT("other"), SPAN_LIT("1"), &stream), CAIRN_ESYNTAX);
    cr_expect_eq(posix_query_take(SPAN_LIT("ino"), SPAN_LIT("1"), &stream), 0);
    cr_expect_eq(posix_query_take(SPAN_LIT("ino"), SPAN_LIT("1"), &stream), CAIRN_ESYNTAX);
}

Test(posix_codec, noise_is_refused_without_harm)
{
    uint8_t noise[300];
    for (int i = 0; i < 20000; i++) {
        struct posix_request got;
        struct posix_reply reply;
        struct posix_entry entry;
        struct posix_frame frame;
        struct span rest;
        random_bytes(noise, sizeof(noise));
        size_t len = noise[0];
        memcpy(noise + 1, "CRNP\1", 6);
        cr_expect_eq(posix_request_decode(span_make(noise + 1, len), &got, &rest), CAIRN_ESYNTAX);
        memcpy(noise + 1, "CRNR\1", 6);
        posix_reply_decode(span_make(noise + 1, len), &reply, &rest);
        rest = span_make(noise, len);
        while (posix_entry_next(&rest, &entry) == 1)
            ;
        rest = span_make(noise, len);
        while (posix_frame_next(&rest, &frame) == 1)
            ;
    }
}

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/verify.h"

void verify_finding(struct verify *v, const char *fmt, ...)
{
    va_list args;
    char line[512];
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    v->findings++;
    if (v->report)
        v->report(line, v->arg);
}

int verify_damage(struct verify *v, int r, const char *what, uint64_t number)
{
    if (r != CAIRN_ECORRUPT && r != CAIRN_EFORMAT)
        return r;
    verify_finding(v, "%s %lu: %s", what, number, cairn_strerror(r));
    return 0;
}

void verify_number(struct verify *v, uint64_t number)
{
    if (number > v->greatest)
        v->greatest = number;
}

/* ---- vectors of numbers ---- */

int numbers_add(struct buf *numbers, uint64_t number)
{
    return buf_add(numbers, &number, sizeof(number));
}

size_t numbers_count(const struct buf *numbers)
{
    return numbers->len / sizeof(uint64_t);
}

static int number_cmp(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void numbers_sort(struct buf *numbers)
{
    if (numbers->len)
        qsort(numbers->ptr, numbers_count(numbers), sizeof(uint64_t), number_cmp);
}

bool numbers_have(const struct buf *sorted, uint64_t number)
{
    return sorted->len && bsearch(&number, sorted->ptr, numbers_count(sorted), sizeof(uint64_t), number_cmp) != NULL;
}

/* ---- records by tag ---- */

int verify_each(struct verify *v, enum ns_tag tag, verify_record *fn)
{
    struct record_key from = {.len = 1, .bytes = {(char)tag}};
    struct index_cursor cursor;
    struct span key, value;
    int r = index_cursor_open(v->txn->index, &cursor);
    if (r < 0)
        return r;
    r = index_cursor_seek(&cursor, key_span(&from), &key, &value);
    for (; r == 0 || r == CAIRN_ECORRUPT; r = index_cursor_next(&cursor, &key, &value)) {
        if (r == 0 && key.ptr[0] != (char)tag)
            break;
        if (r < 0 || key.len < 9)
            verify_finding(v, "a record after those of tag %c began is damaged", tag);
        else
            r = fn(v, get_be64(key.ptr + 1), key, value);
        if (r < 0 && r != CAIRN_ECORRUPT)
            break;
    }
    index_cursor_close(&cursor);
    return r == -ENOENT ? 0 : r;
}

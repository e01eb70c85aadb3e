#include "objstore/base/span.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "objstore/base/errors.h"

enum { BUF_FIRST = 128 };

static int buf_fail(struct buf *b, int code)
{
    b->failed = code;
    return code;
}

/* Room for more bytes of content and a NUL behind them, which vsnprintf wants and no limit counts. */
int buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return b->failed;
    size_t want;
    if (__builtin_add_overflow(b->len, more, &want) || want >= PTRDIFF_MAX / 2)
        return buf_fail(b, -ENOMEM);
    if (b->limit && want > b->limit)
        return buf_fail(b, CAIRN_ETOOBIG);
    if (want < b->cap)
        return 0;
    size_t cap = b->cap ? b->cap * 2 : BUF_FIRST;
    if (cap <= want)
        cap = want + 1;
    char *ptr = realloc(b->ptr, cap);
    if (!ptr)
        return buf_fail(b, -ENOMEM);
    b->ptr = ptr;
    b->cap = cap;
    return 0;
}

int buf_add(struct buf *b, const void *bytes, size_t len)
{
    int rc = buf_reserve(b, len);
    if (rc < 0)
        return rc;
    if (len)
        memcpy(b->ptr + b->len, bytes, len);
    b->len += len;
    return 0;
}

int buf_add_span(struct buf *b, struct span s)
{
    return buf_add(b, s.ptr, s.len);
}

int buf_add_cstr(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

int buf_add_u64(struct buf *b, uint64_t decimal)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + decimal % 10);
        decimal /= 10;
    } while (decimal);
    return buf_add(b, digits + at, sizeof(digits) - at);
}

/* Formats into what room there is; when that was too little, the length is known and the second try fits. */
static int buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    for (;;) {
        va_list again;
        va_copy(again, args);
        size_t room = b->cap - b->len;
        int len = vsnprintf(room ? b->ptr + b->len : NULL, room, fmt, again);
        va_end(again);
        if (len < 0)
            return buf_fail(b, -EINVAL);
        int rc = buf_reserve(b, (size_t)len);
        if (rc < 0)
            return rc;
        if ((size_t)len < room) {
            b->len += (size_t)len;
            return 0;
        }
    }
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    if (b->failed)
        return b->failed;
    va_list args;
    va_start(args, fmt);
    int rc = buf_vprintf(b, fmt, args);
    va_end(args);
    return rc;
}

void buf_drop(struct buf *b, size_t len)
{
    if (len > b->len)
        len = b->len;
    if (len && b->len > len)
        memmove(b->ptr, b->ptr + len, b->len - len);
    b->len -= len;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = 0;
}

void buf_release(struct buf *b)
{
    if (!b)
        return;
    free(b->ptr);
    *b = (struct buf){.limit = b->limit};
}

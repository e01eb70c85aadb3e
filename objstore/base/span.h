/*
 * Spans: borrowed bytes as pointer and length. Buffers: bytes that grow.
 * A span owns nothing; whoever hands one out says until when its bytes live.
 */
#ifndef CAIRN_BASE_SPAN_H
#define CAIRN_BASE_SPAN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *ptr;
    size_t      len;
};

#define SPAN_EMPTY      ((struct span){NULL, 0})
#define SPAN_LIT(s)     ((struct span){"" s, sizeof(s) - 1})
#define SPAN_FMT        "%.*s"
#define SPAN_ARG(s)     (int)(s).len, (s).ptr

static inline struct span span_make(const void *ptr, size_t len)
{
    return (struct span){(const char *)ptr, len};
}

static inline struct span span_cstr(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool span_is(struct span a, const char *literal)
{
    return span_eq(a, span_cstr(literal));
}

/* The part of s from off on, empty when off is past the end. */
static inline struct span span_from(struct span s, size_t off)
{
    return off >= s.len ? (struct span){s.ptr ? s.ptr + s.len : NULL, 0} : (struct span){s.ptr + off, s.len - off};
}

/* The first len bytes of s, or all of it when it is shorter. */
static inline struct span span_head(struct span s, size_t len)
{
    return (struct span){s.ptr, len < s.len ? len : s.len};
}

bool span_starts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
/* ASCII case is folded; bytes above 127 compare as they are. */
bool span_eq_nocase(struct span a, struct span b);
/* Byte order, the shorter first among equals: <0, 0, >0. */
int span_cmp(struct span a, struct span b);
/* Offset of the first c at or after from, or -1. */
ptrdiff_t span_find(struct span s, char c, size_t from);
/* Cuts s at the first c: returns what stands before it and leaves what follows in *s. Without a c the whole of
 * s is returned and *s becomes empty with a NULL ptr, so "while (s.ptr)" walks every field, empty ones too. */
struct span span_cut(struct span *s, char c);
/* Without spaces and tabs at both ends. */
struct span span_trim(struct span s);
/* Decimal digits only, no sign, no blanks; -EINVAL, or -ERANGE past UINT64_MAX. */
int span_to_u64(struct span s, uint64_t *ret_value);
/* Hex digits only, at most 16. -EINVAL otherwise. */
int span_hex_to_u64(struct span s, uint64_t *ret_value);
/* Well-formed UTF-8 as RFC 3629 has it: no surrogates, no overlong forms. NUL counts as well-formed. */
bool span_is_utf8(struct span s);

/* A buffer that grows up to limit bytes. Zero-initialised it is empty and unlimited. */
struct buf {
    char  *ptr;
    size_t len;
    size_t cap;
    size_t limit;  /* 0: none */
    int    failed; /* 0, or the first error of an append; later appends do nothing, so a writer checks once at the end */
};

#define BUF_INIT ((struct buf){0})

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->ptr, b->len};
}

/* Each returns 0, -ENOMEM, or CAIRN_ETOOBIG past the limit; on failure the contents stand unchanged. */
int  buf_reserve(struct buf *b, size_t more);
int  buf_add(struct buf *b, const void *bytes, size_t len);
int  buf_add_span(struct buf *b, struct span s);
int  buf_add_cstr(struct buf *b, const char *s);
int  buf_add_char(struct buf *b, char c);
int  buf_add_u64(struct buf *b, uint64_t decimal);
int  buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first len bytes (at most all). */
void buf_drop(struct buf *b, size_t len);
/* Empties and forgets a failure, keeps the memory. */
void buf_clear(struct buf *b);
/* Frees the memory and zeroes all but the limit. Accepts NULL. */
void buf_release(struct buf *b);

/* Little- and big-endian integers at any address. */
static inline void put_le16(void *p, uint16_t v) { uint8_t *b = p; b[0] = (uint8_t)v; b[1] = (uint8_t)(v >> 8); }
static inline void put_le32(void *p, uint32_t v) { put_le16(p, (uint16_t)v); put_le16((char *)p + 2, (uint16_t)(v >> 16)); }
static inline void put_le64(void *p, uint64_t v) { put_le32(p, (uint32_t)v); put_le32((char *)p + 4, (uint32_t)(v >> 32)); }
static inline uint16_t get_le16(const void *p) { const uint8_t *b = p; return (uint16_t)(b[0] | b[1] << 8); }
static inline uint32_t get_le32(const void *p) { return (uint32_t)get_le16(p) | (uint32_t)get_le16((const char *)p + 2) << 16; }
static inline uint64_t get_le64(const void *p) { return (uint64_t)get_le32(p) | (uint64_t)get_le32((const char *)p + 4) << 32; }
static inline void put_be64(void *p, uint64_t v) { v = __builtin_bswap64(v); memcpy(p, &v, 8); }
static inline uint64_t get_be64(const void *p) { uint64_t v; memcpy(&v, p, 8); return __builtin_bswap64(v); }
static inline void put_be32(void *p, uint32_t v) { v = __builtin_bswap32(v); memcpy(p, &v, 4); }
static inline uint32_t get_be32(const void *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }

#endif

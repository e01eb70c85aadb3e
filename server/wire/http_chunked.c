#include "server/wire/http_chunked.h"

#include <stdio.h>

#include "objstore/base/errors.h"

/*
 * state      reads                                        goes to
 * SIZE       hex digits                                   EXT at ';', SIZE_LF at CR
 * EXT        an extension, read over                      SIZE_LF at CR
 * SIZE_LF    LF                                           DATA, or FIELD after a size of 0
 * DATA       the chunk's bytes                            DATA_CR
 * DATA_CR    CR                                           DATA_LF
 * DATA_LF    LF                                           SIZE
 * FIELD      the first byte of a trailer line             NAME, or END_LF at CR
 * NAME       a trailer's name                             VALUE at ':'
 * VALUE      a trailer's value                            VALUE_LF at CR
 * VALUE_LF   LF                                           FIELD
 * END_LF     LF                                           END
 * END        nothing
 * A negative state is the error that every later call answers.
 */
enum { SIZE, EXT, SIZE_LF, DATA, DATA_CR, DATA_LF, FIELD, NAME, VALUE, VALUE_LF, END_LF, END };

void http_chunked_init(struct http_chunked *d)
{
    *d = (struct http_chunked){.state = SIZE};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 127;
}

static bool is_name_char(char c)
{
    return !is_control(c) && c != ' ' && c != '\t' && c != ':';
}

static int step_size(struct http_chunked *d, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        d->digits++;
        d->left = d->left << 4 | (unsigned)digit; /* can not overflow: it was at most HTTP_CHUNK_MAX */
        return d->left > HTTP_CHUNK_MAX ? CAIRN_ETOOBIG : SIZE;
    }
    if (d->digits == 0)
        return CAIRN_ESYNTAX;
    return c == ';' ? EXT : c == '\r' ? SIZE_LF : CAIRN_ESYNTAX;
}

/* One byte of anything but data: the next state, or an error. */
static int step(struct http_chunked *d, char c)
{
    switch (d->state) {
    case SIZE:
        return step_size(d, c);
    case EXT:
        return c == '\r' ? SIZE_LF : is_control(c) ? CAIRN_ESYNTAX : EXT;
    case SIZE_LF:
        return c != '\n' ? CAIRN_ESYNTAX : d->left > 0 ? DATA : FIELD;
    case DATA_CR:
        return c == '\r' ? DATA_LF : CAIRN_ESYNTAX;
    case DATA_LF:
        return c == '\n' ? SIZE : CAIRN_ESYNTAX;
    case FIELD:
        return c == '\r' ? END_LF : is_name_char(c) ? NAME : CAIRN_ESYNTAX;
    case NAME:
        return c == ':' ? VALUE : is_name_char(c) ? NAME : CAIRN_ESYNTAX;
    case VALUE:
        return c == '\r' ? VALUE_LF : is_control(c) ? CAIRN_ESYNTAX : VALUE;
    case VALUE_LF:
        return c == '\n' ? FIELD : CAIRN_ESYNTAX;
    default: /* END_LF */
        return c == '\n' ? END : CAIRN_ESYNTAX;
    }
}

/* Bounds what is not data, so that a peer can not keep a reader busy with it for ever. */
static int count_line(struct http_chunked *d)
{
    if (d->state <= SIZE_LF)
        return ++d->line > HTTP_CHUNK_LINE_MAX ? CAIRN_ETOOBIG : 0;
    if (d->state >= FIELD)
        return ++d->trailers > HTTP_TRAILERS_MAX ? CAIRN_ETOOBIG : 0;
    return 0;
}

static void advance(struct http_chunked *d, char c)
{
    int rc = count_line(d);
    d->state = rc < 0 ? rc : step(d, c);
    if (d->state == SIZE && c == '\n') {
        d->line = 0;
        d->digits = 0;
    }
}

static struct span take_data(struct http_chunked *d, struct span *input)
{
    struct span data = span_head(*input, d->left < input->len ? (size_t)d->left : input->len);
    *input = span_from(*input, data.len);
    d->left -= data.len;
    if (d->left == 0)
        d->state = DATA_CR;
    return data;
}

int http_chunked_next(struct http_chunked *d, struct span *input, struct span *ret_data)
{
    while (d->state >= 0 && d->state != END && input->len > 0) {
        if (d->state == DATA) {
            *ret_data = take_data(d, input);
            return DECODE_DATA;
        }
        advance(d, input->ptr[0]);
        *input = span_from(*input, 1);
    }
    if (d->state < 0)
        return d->state;
    return d->state == END ? DECODE_END : DECODE_MORE;
}

size_t http_chunk_head(uint64_t size, char ret_head[HTTP_CHUNK_HEAD_MAX])
{
    return (size_t)snprintf(ret_head, HTTP_CHUNK_HEAD_MAX, "%llx\r\n", (unsigned long long)size);
}

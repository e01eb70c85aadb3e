#include "server/wire/aws_chunked.h"

#include "objstore/base/errors.h"

/*
 * state      reads                                                  goes to
 * HEAD       a chunk's line, into line                              DATA, or TRAILERS after the empty chunk
 * DATA       the chunk's bytes, hashed as they pass                 DATA_CR, when the signature matches
 * DATA_CR    CR                                                     DATA_LF
 * DATA_LF    LF                                                     HEAD
 * TRAILERS   a trailer's line, into text; the empty line ends it    END, when signature and names match
 * AFTER_LF   as TRAILERS, behind a trailer that ended with LF: CR LF  MAY_END, for it may belong to that trailer
 * MAY_END    as TRAILERS, but the body may also stop here
 * END        nothing
 * A negative state is the error that every later call answers.
 */
enum { HEAD, DATA, DATA_CR, DATA_LF, TRAILERS, AFTER_LF, MAY_END, END };

#define SIGNATURE_EXTENSION "chunk-signature="
#define TRAILER_SIGNATURE "x-amz-trailer-signature"

static bool is_signed(enum sigv4_payload kind)
{
    return kind == SIGV4_PAYLOAD_STREAM_SIGNED || kind == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
}

int aws_chunked_init(struct aws_chunked *d, enum sigv4_payload kind, const struct sigv4_chain *chain,
                     uint64_t decoded_length, struct span announced)
{
    if (!is_signed(kind) && kind != SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER)
        return -EINVAL;
    *d = (struct aws_chunked){.state = HEAD, .kind = kind, .to_come = decoded_length, .announced = announced};
    if (!is_signed(kind))
        return 0;
    d->chain = *chain;
    return hash_new(HASH_SHA256, &d->hash);
}

void aws_chunked_release(struct aws_chunked *d)
{
    hash_free(&d->hash);
    explicit_bzero(d, sizeof(*d));
}

/* ---- chunks ---- */

/* The chunk's bytes are all here: does what the client states follow from them? */
static int verify_chunk(struct aws_chunked *d)
{
    uint8_t digest[32];
    if (!is_signed(d->kind))
        return 0;
    hash_final(d->hash, digest);
    int rc = sigv4_chain_chunk(&d->chain, digest);
    if (rc < 0)
        return rc;
    return equal_constant_time(d->chain.previous, d->stated, sizeof(d->stated) - 1) ? 0 : CAIRN_ESIGNATURE;
}

static int keep_signature(char to[SIGV4_SIGNATURE_SIZE], struct span hex)
{
    uint8_t unused[32];
    if (hex_decode(hex, unused, sizeof(unused)) < 0)
        return CAIRN_ESYNTAX;
    memcpy(to, hex.ptr, SIGV4_SIGNATURE_SIZE - 1);
    to[SIGV4_SIGNATURE_SIZE - 1] = '\0';
    return 0;
}

/* Extensions other than the signature are read over. */
static int parse_extensions(struct aws_chunked *d, struct span rest)
{
    const struct span mark = SPAN_LIT(SIGNATURE_EXTENSION);
    bool found = false;
    while (rest.ptr != NULL) {
        struct span extension = span_cut(&rest, ';');
        if (!span_starts(extension, mark))
            continue;
        if (found || keep_signature(d->stated, span_from(extension, mark.len)) < 0)
            return CAIRN_ESYNTAX;
        found = true;
    }
    return found || !is_signed(d->kind) ? 0 : CAIRN_ESYNTAX;
}

/* A chunk's line without CR LF: the next state. */
static int parse_head(struct aws_chunked *d, struct span line)
{
    uint64_t size;
    struct span extensions = line;
    struct span digits = span_cut(&extensions, ';');
    if (digits.len == 0 || span_hex_to_u64(digits, &size) < 0 || parse_extensions(d, extensions) < 0)
        return CAIRN_ESYNTAX;
    if (size > AWS_CHUNK_MAX)
        return CAIRN_ETOOBIG;
    if (size > d->to_come || (size == 0 && d->to_come > 0))
        return -EMSGSIZE;
    d->left = size;
    if (size > 0)
        return DATA;
    int rc = verify_chunk(d);
    return rc < 0 ? rc : TRAILERS;
}

/* Takes input into the line buffer up to and with LF. 1 when the line is complete, 0 when more is needed. */
static int collect_line(struct aws_chunked *d, struct span *input, char *line, size_t cap)
{
    const char *newline = memchr(input->ptr, '\n', input->len);
    size_t len = newline ? (size_t)(newline - input->ptr) + 1 : input->len;
    if (len > cap - d->line_len)
        return CAIRN_ETOOBIG;
    memcpy(line + d->line_len, input->ptr, len);
    d->line_len += len;
    *input = span_from(*input, len);
    return newline != NULL;
}

static int step_head(struct aws_chunked *d, struct span *input)
{
    int rc = collect_line(d, input, d->line, sizeof(d->line));
    if (rc <= 0)
        return rc < 0 ? rc : HEAD;
    struct span line = span_make(d->line, d->line_len);
    d->line_len = 0;
    if (!span_ends(line, SPAN_LIT("\r\n")))
        return CAIRN_ESYNTAX;
    return parse_head(d, span_head(line, line.len - 2));
}

static int step_data(struct aws_chunked *d, struct span *input, struct span *ret_data)
{
    struct span data = span_head(*input, d->left < input->len ? (size_t)d->left : input->len);
    *input = span_from(*input, data.len);
    d->left -= data.len;
    d->to_come -= data.len;
    if (d->hash != NULL)
        hash_update(d->hash, data.ptr, data.len);
    *ret_data = data;
    if (d->left > 0)
        return DATA;
    int rc = verify_chunk(d);
    return rc < 0 ? rc : DATA_CR;
}

static int step_byte(struct span *input, char wanted, int next)
{
    bool match = input->ptr[0] == wanted;
    *input = span_from(*input, 1);
    return match ? next : CAIRN_ESYNTAX;
}

/* ---- trailers ---- */

struct span aws_chunked_trailer(const struct aws_chunked *d, const char *name)
{
    struct span wanted = span_cstr(name);
    for (size_t i = 0; i < d->trailer_count; i++)
        if (span_eq(d->trailers[i].name, wanted))
            return d->trailers[i].value;
    return SPAN_EMPTY;
}

/* Whether the trailers are those that x-amz-trailer announced, no more and no fewer. */
static bool trailers_as_announced(const struct aws_chunked *d)
{
    struct span list = d->announced;
    size_t named = 0;
    while (list.ptr != NULL) {
        struct span name = span_trim(span_cut(&list, ','));
        bool found = false;
        for (size_t i = 0; i < d->trailer_count; i++)
            found = found || span_eq_nocase(d->trailers[i].name, name);
        if (name.len > 0 && !found)
            return false;
        named += name.len > 0;
    }
    return named == d->trailer_count;
}

static int verify_trailers(struct aws_chunked *d)
{
    uint8_t digest[32];
    if (!trailers_as_announced(d))
        return -EBADMSG;
    if (d->kind != SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER)
        return 0;
    if (!d->trailer_signed)
        return CAIRN_ESIGNATURE;
    hash_update(d->hash, d->text, d->text_len);
    hash_final(d->hash, digest);
    int rc = sigv4_chain_trailer(&d->chain, digest);
    if (rc < 0)
        return rc;
    return equal_constant_time(d->chain.previous, d->stated, sizeof(d->stated) - 1) ? 0 : CAIRN_ESIGNATURE;
}

static bool is_trailer_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] == 127)
            return false;
    return name.len > 0;
}

static bool is_trailer_value(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.ptr[i] < ' ' && value.ptr[i] != '\t') || value.ptr[i] == 127)
            return false;
    return true;
}

/* Writes "name:value\n", as it is signed, over the line it came from, which is never shorter. */
static void keep_trailer(struct aws_chunked *d, struct span name, struct span value)
{
    char *to = d->text + d->text_len;
    for (size_t i = 0; i < name.len; i++)
        to[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] | 0x20) : name.ptr[i];
    to[name.len] = ':';
    memmove(to + name.len + 1, value.ptr, value.len);
    to[name.len + 1 + value.len] = '\n';
    d->trailers[d->trailer_count++] =
        (struct http_header){span_make(to, name.len), span_make(to + name.len + 1, value.len)};
    d->text_len += name.len + 1 + value.len + 1;
}

static int parse_trailer(struct aws_chunked *d, struct span line)
{
    struct span value = line;
    struct span name = span_cut(&value, ':');
    if (value.ptr == NULL || d->trailer_signed || !is_trailer_name(name) || !is_trailer_value(value))
        return CAIRN_ESYNTAX;
    value = span_trim(value);
    if (d->kind == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER && span_eq_nocase(name, SPAN_LIT(TRAILER_SIGNATURE))) {
        d->trailer_signed = true;
        return keep_signature(d->stated, value);
    }
    if (d->trailer_count == AWS_TRAILERS_MAX)
        return CAIRN_ETOOBIG;
    for (size_t i = 0; i < d->trailer_count; i++)
        if (span_eq_nocase(d->trailers[i].name, name))
            return -EBADMSG;
    keep_trailer(d, name, value);
    return 0;
}

static int end_trailers(struct aws_chunked *d)
{
    int rc = verify_trailers(d);
    return rc < 0 ? rc : END;
}

/* The line is read into text, where it stays in the form in which it is signed. */
static int step_trailer(struct aws_chunked *d, struct span *input)
{
    int rc = collect_line(d, input, d->text + d->text_len, sizeof(d->text) - d->text_len);
    if (rc <= 0)
        return rc < 0 ? rc : d->state;
    struct span line = span_make(d->text + d->text_len, d->line_len - 1);
    bool crlf = span_ends(line, SPAN_LIT("\r"));
    d->line_len = 0;
    if (crlf)
        line.len--;
    if (line.len == 0)
        return d->state == AFTER_LF && crlf ? MAY_END : end_trailers(d);
    rc = parse_trailer(d, line);
    return rc < 0 ? rc : crlf ? TRAILERS : AFTER_LF;
}

/* ---- the decoder ---- */

int aws_chunked_next(struct aws_chunked *d, struct span *input, struct span *ret_data)
{
    while (d->state >= 0 && d->state != END && input->len > 0) {
        switch (d->state) {
        case HEAD:
            d->state = step_head(d, input);
            break;
        case DATA:
            d->state = step_data(d, input, ret_data);
            return d->state < 0 ? d->state : DECODE_DATA;
        case DATA_CR:
            d->state = step_byte(input, '\r', DATA_LF);
            break;
        case DATA_LF:
            d->state = step_byte(input, '\n', HEAD);
            break;
        default:
            d->state = step_trailer(d, input);
            break;
        }
    }
    if (d->state < 0)
        return d->state;
    return d->state == END ? DECODE_END : DECODE_MORE;
}

int aws_chunked_finish(struct aws_chunked *d)
{
    if (d->state >= 0 && d->state != END)
        d->state = d->state == MAY_END && d->line_len == 0 ? end_trailers(d) : CAIRN_ESYNTAX;
    return d->state < 0 ? d->state : 0;
}

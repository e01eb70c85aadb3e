#include "objstore/base/hash.h"
#include "server/wire/posix_priv.h"

enum parameter_kind { PARAMETER_U64, PARAMETER_OFF, PARAMETER_ID };

struct parameter {
    const char *name;
    uint32_t bit;
    enum parameter_kind kind;
    size_t offset;
};

/* In the order of their names; of which "cairn" is the second. */
static const struct parameter parameters[] = {
    {"after", POSIX_GIVEN_AFTER, PARAMETER_U64, offsetof(struct posix_stream, after)},
    {"generation", POSIX_GIVEN_GENERATION, PARAMETER_U64, offsetof(struct posix_stream, generation)},
    {"ino", POSIX_GIVEN_INO, PARAMETER_U64, offsetof(struct posix_stream, ino)},
    {"len", POSIX_GIVEN_LEN, PARAMETER_U64, offsetof(struct posix_stream, len)},
    {"off", POSIX_GIVEN_OFF, PARAMETER_OFF, offsetof(struct posix_stream, off)},
    {"sequence", POSIX_GIVEN_SEQUENCE, PARAMETER_U64, offsetof(struct posix_stream, sequence)},
    {"session", POSIX_GIVEN_SESSION, PARAMETER_ID, offsetof(struct posix_stream, session)},
    {"slot", POSIX_GIVEN_SLOT, PARAMETER_U64, offsetof(struct posix_stream, slot)},
    {"sync", POSIX_GIVEN_SYNC, PARAMETER_U64, offsetof(struct posix_stream, sync)},
};
#define COUNT (sizeof(parameters) / sizeof(parameters[0]))
enum { CAIRN_AT = 1 };

static void add_value(struct buf *out, enum parameter_kind kind, const void *field)
{
    char hex[2 * POSIX_SESSION_ID + 1];

    if (kind == PARAMETER_ID) {
        hex_encode(field, POSIX_SESSION_ID, hex);
        buf_add_cstr(out, hex);
    } else if (kind == PARAMETER_OFF && *(const uint64_t *)field == POSIX_OFF_END) {
        buf_add_cstr(out, "end");
    } else {
        buf_add_u64(out, *(const uint64_t *)field);
    }
}

int posix_query_add(struct buf *out, const char *kind, const struct posix_stream *stream)
{
    const char *separator = "";

    for (size_t i = 0; i < COUNT; i++) {
        const struct parameter *p = &parameters[i];
        if (i == CAIRN_AT) {
            buf_printf(out, "%scairn=%s", separator, kind);
            separator = "&";
        }
        if (!(stream->given & p->bit))
            continue;
        buf_printf(out, "%s%s=", separator, p->name);
        add_value(out, p->kind, (const char *)stream + p->offset);
        separator = "&";
    }
    return out->failed;
}

static int take_value(struct span value, enum parameter_kind kind, void *ret_field)
{
    if (kind == PARAMETER_ID)
        return hex_decode(value, ret_field, POSIX_SESSION_ID);
    if (kind == PARAMETER_OFF && span_is(value, "end")) {
        *(uint64_t *)ret_field = POSIX_OFF_END;
        return 0;
    }
    return span_to_u64(value, ret_field);
}

int posix_query_take(struct span name, struct span value, struct posix_stream *stream)
{
    for (size_t i = 0; i < COUNT; i++) {
        const struct parameter *p = &parameters[i];
        if (!span_is(name, p->name))
            continue;
        if (stream->given & p->bit || take_value(value, p->kind, (char *)stream + p->offset) < 0)
            return CAIRN_ESYNTAX;
        stream->given |= p->bit;
        return 0;
    }
    return CAIRN_ESYNTAX;
}

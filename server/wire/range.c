#include "server/wire/range.h"

#include <stdio.h>

#include "objstore/base/errors.h"

/* The digits after "bytes=", or .ptr NULL when the unit is another. The unit's case does not count. */
static struct span range_spec(struct span header)
{
    const struct span unit = SPAN_LIT("bytes=");
    if (header.ptr == NULL || !span_eq_nocase(span_head(header, unit.len), unit))
        return SPAN_EMPTY;
    return span_from(header, unit.len);
}

/* A number that does not fit is past every size, which is all that matters of it. */
static int position(struct span digits, uint64_t *ret_value)
{
    int rc = span_to_u64(digits, ret_value);
    if (rc != -ERANGE)
        return rc;
    *ret_value = UINT64_MAX;
    return 0;
}

enum range_kind range_resolve(struct span header, uint64_t size, uint64_t *ret_off, uint64_t *ret_len)
{
    struct span last_text = range_spec(header);
    bool ranged = span_find(last_text, '-', 0) >= 0;
    struct span first_text = span_cut(&last_text, '-');
    uint64_t first = 0, last = UINT64_MAX;

    *ret_off = 0;
    *ret_len = size;
    if (!ranged || (first_text.len == 0 && last_text.len == 0) ||
        (first_text.len > 0 && position(first_text, &first) < 0) ||
        (last_text.len > 0 && position(last_text, &last) < 0))
        return RANGE_WHOLE;
    if (first_text.len == 0) { /* the last bytes */
        if (size == 0 && last > 0)
            return RANGE_WHOLE; /* as many as there are, and no Content-Range can say none */
        first = last == 0 ? size : last < size ? size - last : 0;
        last = UINT64_MAX;
    }
    if (last < first)
        return RANGE_WHOLE;
    if (first >= size) {
        *ret_len = 0;
        return RANGE_UNSATISFIABLE;
    }
    *ret_off = first;
    *ret_len = (last < size ? last + 1 : size) - first;
    return RANGE_PART;
}

int range_copy_source(struct span header, uint64_t size, uint64_t *ret_off, uint64_t *ret_len)
{
    struct span last_text = range_spec(header);
    struct span first_text = span_cut(&last_text, '-');
    uint64_t first, last;
    if (position(first_text, &first) < 0 || position(last_text, &last) < 0 || last < first)
        return CAIRN_ESYNTAX;
    if (last >= size)
        return CAIRN_EBADRANGE;
    *ret_off = first;
    *ret_len = last - first + 1;
    return 0;
}

int range_parse_content(struct span header, uint64_t *ret_off, uint64_t *ret_len, uint64_t *ret_total)
{
    const struct span unit = SPAN_LIT("bytes ");
    struct span total_text, last_text, first_text;
    uint64_t first, last, total = UINT64_MAX;
    if (!span_starts(header, unit))
        return CAIRN_ESYNTAX;
    total_text = span_from(header, unit.len);
    last_text = span_cut(&total_text, '/');
    first_text = span_cut(&last_text, '-');
    if (span_to_u64(first_text, &first) < 0 || span_to_u64(last_text, &last) < 0 || last < first || last == UINT64_MAX)
        return CAIRN_ESYNTAX;
    if (!span_is(total_text, "*") && (span_to_u64(total_text, &total) < 0 || last >= total))
        return CAIRN_ESYNTAX;
    *ret_off = first;
    *ret_len = last - first + 1;
    *ret_total = total;
    return 0;
}

void range_format_content(uint64_t off, uint64_t len, uint64_t total, char ret[RANGE_CONTENT_SIZE])
{
    snprintf(ret, RANGE_CONTENT_SIZE, "bytes %llu-%llu/%llu", (unsigned long long)off,
             (unsigned long long)(off + len - 1), (unsigned long long)total);
}

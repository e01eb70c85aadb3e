#include "server/volumes.h"

#include <limits.h>

#include "objstore/base/errors.h"

#define DIGITS_MAX 9

struct range {
    uint64_t from, to;
    int width; /* of zero-padded numbers; 0: not padded */
};

static int parse_range(struct span inside, struct range *ret_range)
{
    const char *dots = memmem(inside.ptr, inside.len, "...", 3);
    if (!dots)
        return -EINVAL;
    struct span from = span_head(inside, (size_t)(dots - inside.ptr));
    struct span to = span_from(inside, from.len + 3);
    if (from.len > DIGITS_MAX || to.len > DIGITS_MAX || span_to_u64(from, &ret_range->from) < 0 ||
        span_to_u64(to, &ret_range->to) < 0 || ret_range->from > ret_range->to)
        return -EINVAL;
    ret_range->width = from.len > 1 && from.ptr[0] == '0' ? (int)from.len : 0;
    return 0;
}

static int add(struct span path, struct volumes *volumes)
{
    if (!path.ptr)
        return -ENOMEM;
    if (volumes->count == VOLUMES_MAX)
        return -E2BIG;
    volumes->paths[volumes->count++] = path.ptr;
    return 0;
}

/* prefix is expanded already; the first range of rest is next. */
static int expand(struct span prefix, struct span rest, struct arena *arena, struct volumes *volumes)
{
    ptrdiff_t open = span_find(rest, '{', 0);
    if (open < 0)
        return add(arena_printf(arena, SPAN_FMT SPAN_FMT, SPAN_ARG(prefix), SPAN_ARG(rest)), volumes);
    ptrdiff_t close = span_find(rest, '}', (size_t)open);
    struct range range;
    if (close < 0 || parse_range(span_make(rest.ptr + open + 1, (size_t)(close - open - 1)), &range) < 0)
        return -EINVAL;
    struct span before = span_head(rest, (size_t)open), after = span_from(rest, (size_t)close + 1);
    int r = 0;
    for (uint64_t n = range.from; n <= range.to && r == 0; n++) {
        struct span longer = arena_printf(arena, SPAN_FMT SPAN_FMT "%0*llu", SPAN_ARG(prefix), SPAN_ARG(before),
                                          range.width, (unsigned long long)n);
        r = longer.ptr ? expand(longer, after, arena, volumes) : -ENOMEM;
    }
    return r;
}

int volumes_expand(struct span argument, struct arena *arena, struct volumes *volumes)
{
    if (argument.len >= PATH_MAX)
        return -ENAMETOOLONG;
    return argument.len ? expand(SPAN_EMPTY, argument, arena, volumes) : -EINVAL;
}

#include "fs/readahead_policy.h"

#include <stdbool.h>

#define NEAR (2u << 20)           /* reads of the kernel's own read-ahead come out of order by that much */
#define WINDOW_FIRST (256u << 10) /* doubled at each read in sequence */

static bool in_sequence(const struct readahead_policy *p, uint64_t off)
{
    return off <= p->next + NEAR && off + NEAR >= p->next && (p->run > 0 || off == 0);
}

void readahead_advance(struct readahead_policy *p, uint64_t off, size_t len, uint64_t max, uint64_t *ret_from,
                       uint64_t *ret_to)
{
    uint64_t end = off + len;

    if (!in_sequence(p, off)) {
        *p = (struct readahead_policy){.next = end, .run = off == p->next ? len : 0};
        *ret_from = *ret_to = end;
        return;
    }
    p->run += len;
    p->next = end > p->next ? end : p->next;
    uint64_t window = p->window ? p->window * 2 : WINDOW_FIRST;
    p->window = window < max ? window : max;
    *ret_from = p->next;
    *ret_to = p->run > len ? p->next + p->window : p->next; /* the first read of a file alone says nothing */
}

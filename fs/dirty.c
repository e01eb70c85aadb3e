#include "fs/dirty.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t extent_end(const struct extent *e)
{
    return e->off + e->len;
}

static size_t extent_room(const struct extent *e)
{
    return slab_slot_size(e->class) - e->start - e->len;
}

static bool extent_full(const struct extent *e)
{
    return e->class == SLAB_LARGE && extent_room(e) == 0;
}

static void extent_free(struct dirty *d, struct extent *e)
{
    slab_put(d->slab, e->class, e->slot);
    free(e);
}

/* ---- lists, ascending by offset ---- */

/* The first that ends behind off. */
static size_t list_find(const struct extents *list, uint64_t off)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (extent_end(list->items[mid]) > off)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* Room for count items. */
static int list_reserve(struct extents *list, size_t count)
{
    if (count <= list->cap)
        return 0;
    size_t cap = list->cap ? list->cap * 2 : 8;
    struct extent **items = reallocarray(list->items, cap, sizeof(struct extent *));
    if (!items)
        return -ENOMEM;
    list->items = items;
    list->cap = cap;
    return 0;
}

static void list_insert(struct extents *list, size_t at, struct extent *e)
{
    memmove(&list->items[at + 1], &list->items[at], (list->count - at) * sizeof *list->items);
    list->items[at] = e;
    list->count++;
}

static void list_remove(struct extents *list, size_t at)
{
    list->count--;
    memmove(&list->items[at], &list->items[at + 1], (list->count - at) * sizeof *list->items);
}

static bool list_overlaps(const struct extents *list, const struct extent *e)
{
    size_t at = list_find(list, e->off);
    return at < list->count && list->items[at]->off < extent_end(e);
}

/* ---- life ---- */

void dirty_init(struct dirty *d, struct slab *slab)
{
    *d = (struct dirty){.slab = slab};
}

static void list_release(struct dirty *d, struct extents *list)
{
    for (size_t i = 0; i < list->count; i++)
        extent_free(d, list->items[i]);
    free(list->items);
    *list = (struct extents){0};
}

void dirty_release(struct dirty *d)
{
    list_release(d, &d->fresh);
    list_release(d, &d->sending);
}

bool dirty_empty(const struct dirty *d)
{
    return d->fresh.count == 0 && d->sending.count == 0;
}

uint64_t dirty_end(const struct dirty *d)
{
    uint64_t fresh = d->fresh.count ? extent_end(d->fresh.items[d->fresh.count - 1]) : 0;
    uint64_t sending = d->sending.count ? extent_end(d->sending.items[d->sending.count - 1]) : 0;
    return fresh > sending ? fresh : sending;
}

/* ---- writing ---- */

/* An extent that has outgrown its small slot moves to a large one, if there is one. */
static void extent_enlarge(struct dirty *d, struct extent *e)
{
    char *slot = e->class == SLAB_SMALL ? slab_get(d->slab, SLAB_LARGE) : NULL;

    if (!slot)
        return;
    memcpy(slot, e->slot + e->start, e->len);
    slab_put(d->slab, SLAB_SMALL, e->slot);
    e->class = SLAB_LARGE;
    e->slot = slot;
    e->start = 0;
}

static char *slot_for(struct dirty *d, size_t len, enum slab_class *ret_class)
{
    enum slab_class wanted = len > SLAB_SMALL_SIZE ? SLAB_LARGE : SLAB_SMALL;
    char *slot = slab_get(d->slab, wanted);

    if (!slot && wanted == SLAB_SMALL)
        slot = slab_get(d->slab, wanted = SLAB_LARGE);
    *ret_class = wanted;
    return slot;
}

/* A new, empty extent at place at of the list; it has its place among those that are sent, too, so that taking it can't
 * fail. 1; 0 without a slot; -ENOMEM. */
static int extent_add(struct dirty *d, size_t at, uint64_t off, size_t len, int64_t now)
{
    size_t all = d->fresh.count + d->sending.count + 1;
    struct extent *e;

    if (list_reserve(&d->fresh, all) < 0 || list_reserve(&d->sending, all) < 0 || !(e = malloc(sizeof *e)))
        return -ENOMEM;
    *e = (struct extent){.off = off, .since = now};
    e->slot = slot_for(d, len, &e->class);
    if (!e->slot) {
        free(e);
        return 0;
    }
    e->number = ++d->numbers;
    list_insert(&d->fresh, at, e);
    return 1;
}

/* Newer bytes up to end have come before place at: what lies under them goes. */
static void cut_front(struct dirty *d, size_t at, uint64_t end)
{
    while (at < d->fresh.count && d->fresh.items[at]->off < end) {
        struct extent *e = d->fresh.items[at];
        if (extent_end(e) <= end) {
            list_remove(&d->fresh, at);
            extent_free(d, e);
            continue;
        }
        size_t cut = end - e->off;
        e->off += cut;
        e->start += cut;
        e->len -= cut;
    }
}

/* Whether bytes at off continue the extent at this place, or lie in it, so that its slot can take some. */
static bool takes(struct dirty *d, size_t at, uint64_t off, size_t len)
{
    struct extent *e = at < d->fresh.count ? d->fresh.items[at] : NULL;

    if (!e || off < e->off || off > extent_end(e))
        return false;
    if (off + len > extent_end(e) + extent_room(e))
        extent_enlarge(d, e);
    return off < extent_end(e) + extent_room(e);
}

ptrdiff_t dirty_write(struct dirty *d, uint64_t off, const char *bytes, size_t len, int64_t now)
{
    size_t at = list_find(&d->fresh, off);
    size_t before = at > 0 && extent_end(d->fresh.items[at - 1]) == off ? at - 1 : at;

    if (takes(d, before, off, len)) {
        at = before;
    } else if (!takes(d, at, off, len)) {
        int r = extent_add(d, at, off, len, now);
        if (r <= 0)
            return r;
    }
    struct extent *e = d->fresh.items[at];
    size_t place = off - e->off;
    size_t room = slab_slot_size(e->class) - e->start - place;
    size_t taken = len < room ? len : room;
    memcpy(e->slot + e->start + place, bytes, taken);
    if (place + taken > e->len)
        e->len = place + taken;
    cut_front(d, at + 1, extent_end(e));
    return (ptrdiff_t)taken;
}

/* ---- reading ---- */

static int gap_add(struct gap *gaps, int count, uint64_t from, uint64_t to)
{
    if (from >= to)
        return count;
    if (count == DIRTY_GAPS_MAX)
        return -E2BIG;
    gaps[count] = (struct gap){from, to - from};
    return count + 1;
}

/* Takes [from, to) out of the gaps; their number after that. */
static int gaps_subtract(struct gap *gaps, int count, uint64_t from, uint64_t to)
{
    struct gap old[DIRTY_GAPS_MAX];
    int kept = 0;

    memcpy(old, gaps, (size_t)count * sizeof *gaps);
    for (int i = 0; i < count && kept >= 0; i++) {
        uint64_t low = old[i].off, high = low + old[i].len;
        kept = gap_add(gaps, kept, low, from < high ? from : high);
        if (kept >= 0)
            kept = gap_add(gaps, kept, to > low ? to : low, high);
    }
    return kept;
}

static int overlay_list(const struct extents *list, uint64_t off, size_t len, char *out, struct gap *gaps, int count)
{
    for (size_t i = list_find(list, off); i < list->count && list->items[i]->off < off + len && count >= 0; i++) {
        const struct extent *e = list->items[i];
        uint64_t from = e->off > off ? e->off : off;
        uint64_t to = extent_end(e) < off + len ? extent_end(e) : off + len;
        memcpy(out + (from - off), e->slot + e->start + (from - e->off), to - from);
        count = gaps_subtract(gaps, count, from, to);
    }
    return count;
}

int dirty_overlay(const struct dirty *d, uint64_t off, size_t len, char *out, struct gap ret_gaps[DIRTY_GAPS_MAX])
{
    ret_gaps[0] = (struct gap){off, len};
    int count = overlay_list(&d->sending, off, len, out, ret_gaps, len > 0);
    return overlay_list(&d->fresh, off, len, out, ret_gaps, count);
}

/* ---- sending ---- */

/* Whether e fits into the batch as it is so far. */
static bool batch_fits(const struct batch *batch, const struct extent *e)
{
    if (batch->count == 0)
        return true;
    return e->len <= DIRTY_ALONE && batch->extents[0]->len <= DIRTY_ALONE && batch->count < DIRTY_BATCH_MAX &&
           batch->bytes + e->len <= DIRTY_BATCH_BYTES;
}

static void batch_add(struct batch *batch, struct extent *e)
{
    batch->extents[batch->count++] = e;
    batch->bytes += e->len;
}

static void take_idle(struct dirty *d, struct batch *batch)
{
    for (size_t i = 0; i < d->sending.count; i++) {
        struct extent *e = d->sending.items[i];
        if (!e->idle || !batch_fits(batch, e))
            continue;
        e->idle = false;
        batch_add(batch, e);
    }
}

static void take_fresh(struct dirty *d, int64_t before, struct batch *batch)
{
    for (size_t i = 0; i < d->fresh.count;) {
        struct extent *e = d->fresh.items[i];
        bool ripe = extent_full(e) || e->since < before || before == INT64_MAX;
        if (!ripe || !batch_fits(batch, e) || list_overlaps(&d->sending, e)) {
            i++;
            continue;
        }
        list_remove(&d->fresh, i);
        list_insert(&d->sending, list_find(&d->sending, e->off), e);
        batch_add(batch, e);
    }
}

bool dirty_take(struct dirty *d, int64_t before, struct batch *ret_batch)
{
    ret_batch->count = 0;
    ret_batch->bytes = 0;
    take_idle(d, ret_batch);
    if (ret_batch->count == 0)
        take_fresh(d, before, ret_batch);
    return ret_batch->count > 0;
}

void dirty_sent(struct dirty *d, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct extent *e = batch->extents[i];
        size_t at = list_find(&d->sending, e->off);
        assert(at < d->sending.count && d->sending.items[at] == e);
        list_remove(&d->sending, at);
        extent_free(d, e);
    }
}

void dirty_unsent(struct dirty *d, const struct batch *batch)
{
    (void)d;
    for (size_t i = 0; i < batch->count; i++)
        batch->extents[i]->idle = true;
}

int64_t dirty_due(const struct dirty *d, int64_t age)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < d->sending.count; i++)
        if (d->sending.items[i]->idle)
            return 0;
    for (size_t i = 0; i < d->fresh.count; i++) {
        const struct extent *e = d->fresh.items[i];
        if (list_overlaps(&d->sending, e))
            continue;
        if (extent_full(e))
            return 0;
        if (e->since + age < due)
            due = e->since + age;
    }
    return due;
}

static bool list_pending(const struct extents *list, uint64_t number)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i]->number <= number)
            return true;
    return false;
}

bool dirty_pending(const struct dirty *d, uint64_t number)
{
    return list_pending(&d->fresh, number) || list_pending(&d->sending, number);
}

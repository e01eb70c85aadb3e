#include "fs/dirty.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A map of dirty bytes beside the plain arrays that it must agree with: what is dirty and not sent, and what the server
 * has. */
#define FILE_MAX (10u << 20)
#define SLAB_BYTES (48u << 20)

struct model {
    struct slab *slab;
    struct dirty dirty;
    char *bytes;  /* as a reader here must see them */
    char *server; /* as they are there */
    char *fresh;  /* 1: dirty here */
    unsigned seed;
};

static struct model model_new(unsigned seed)
{
    struct model m = {.seed = seed};

    cr_assert_eq(slab_new(SLAB_BYTES, &m.slab), 0);
    dirty_init(&m.dirty, m.slab);
    m.bytes = calloc(1, FILE_MAX);
    m.server = calloc(1, FILE_MAX);
    m.fresh = calloc(1, FILE_MAX);
    return m;
}

static void model_free(struct model *m)
{
    dirty_release(&m->dirty);
    slab_free(&m->slab); /* asserts that every slot is back */
    free(m->bytes);
    free(m->server);
    free(m->fresh);
}

static unsigned roll(struct model *m, unsigned below)
{
    m->seed = m->seed * 1103515245u + 12345u;
    return (m->seed >> 8) % below;
}

static void send_batch(struct model *m, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct extent *e = batch->extents[i];
        memcpy(m->server + e->off, e->slot + e->start, e->len);
    }
    dirty_sent(&m->dirty, batch);
}

static void send_all(struct model *m)
{
    struct batch batch;

    while (dirty_take(&m->dirty, INT64_MAX, &batch))
        send_batch(m, &batch);
}

static void model_write(struct model *m, uint64_t off, size_t len)
{
    char *bytes = m->bytes + off;

    memset(bytes, (int)(1 + roll(m, 255)), len);
    for (size_t done = 0; done < len;) {
        ptrdiff_t n = dirty_write(&m->dirty, off + done, bytes + done, len - done, 1);
        cr_assert_geq(n, 0);
        if (n == 0)
            send_all(m);
        done += (size_t)n;
    }
}

static void model_read(struct model *m, uint64_t off, size_t len)
{
    struct gap gaps[DIRTY_GAPS_MAX];
    char *out = malloc(len);
    int count = dirty_overlay(&m->dirty, off, len, out, gaps);

    if (count == -E2BIG) {
        send_all(m);
        count = dirty_overlay(&m->dirty, off, len, out, gaps);
        cr_assert_eq(count, 1);
    }
    for (int i = 0; i < count; i++) {
        cr_assert(gaps[i].off >= off && gaps[i].len > 0 && gaps[i].off + gaps[i].len <= off + len);
        cr_assert(i == 0 || gaps[i - 1].off + gaps[i - 1].len < gaps[i].off);
        memcpy(out + (gaps[i].off - off), m->server + gaps[i].off, gaps[i].len);
    }
    cr_assert(memcmp(out, m->bytes + off, len) == 0);
    free(out);
}

/* Sends overlap with writes: some batches stay under way for a while, and some fail. */
static void model_step(struct model *m, struct batch *under_way, bool *sending, size_t largest)
{
    uint64_t off = roll(m, FILE_MAX - (unsigned)largest);
    size_t len = 1 + roll(m, (unsigned)largest);

    switch (roll(m, 8)) {
    case 0:
        if (!*sending)
            *sending = dirty_take(&m->dirty, INT64_MAX, under_way);
        break;
    case 1:
        if (*sending && roll(m, 4) == 0)
            dirty_unsent(&m->dirty, under_way);
        else if (*sending)
            send_batch(m, under_way);
        *sending = false;
        break;
    case 2:
    case 3:
        model_read(m, off, len);
        break;
    default:
        model_write(m, off, len);
    }
}

static void run_model(unsigned seed, unsigned steps, size_t largest)
{
    struct model m = model_new(seed);
    struct batch under_way;
    bool sending = false;

    for (unsigned i = 0; i < steps; i++) {
        if (slab_idle(m.slab, SLAB_LARGE) < 2 || slab_idle(m.slab, SLAB_SMALL) < 2) {
            if (sending)
                send_batch(&m, &under_way);
            sending = false;
            send_all(&m);
        }
        model_step(&m, &under_way, &sending, largest);
    }
    if (sending)
        send_batch(&m, &under_way);
    send_all(&m);
    cr_expect(dirty_empty(&m.dirty));
    cr_expect(memcmp(m.server, m.bytes, FILE_MAX) == 0);
    model_free(&m);
}

Test(fs_dirty, scattered_small_writes_agree_with_a_byte_array)
{
    run_model(1, 4000, 5000);
}

Test(fs_dirty, large_writes_agree_with_a_byte_array)
{
    run_model(2, 300, 700000);
}

Test(fs_dirty, writes_in_a_narrow_range_agree_with_a_byte_array)
{
    struct model m = model_new(3);

    for (int i = 0; i < 3000; i++) {
        model_write(&m, roll(&m, 3000), 1 + roll(&m, 300));
        if (i % 7 == 0)
            model_read(&m, roll(&m, 2000), 1 + roll(&m, 1500));
    }
    send_all(&m);
    cr_expect(memcmp(m.server, m.bytes, FILE_MAX) == 0);
    model_free(&m);
}

Test(fs_dirty, a_sequence_of_small_writes_becomes_one_extent_that_is_sent_when_full)
{
    struct model m = model_new(4);
    struct batch batch;

    for (uint64_t off = 0; off < SLAB_LARGE_SIZE; off += 4096) {
        cr_expect_not(dirty_take(&m.dirty, 0, &batch));
        model_write(&m, off, 4096);
    }
    cr_expect_eq(m.dirty.fresh.count, 1);
    cr_expect_eq(dirty_due(&m.dirty, 1000), 0);
    cr_assert(dirty_take(&m.dirty, 0, &batch));
    cr_expect_eq(batch.count, 1);
    cr_expect_eq(batch.bytes, SLAB_LARGE_SIZE);
    cr_expect_eq(dirty_end(&m.dirty), SLAB_LARGE_SIZE);
    dirty_sent(&m.dirty, &batch);
    cr_expect_eq(dirty_end(&m.dirty), 0);
    model_free(&m);
}

Test(fs_dirty, scattered_extents_are_sent_together)
{
    struct model m = model_new(5);
    struct batch batch;

    for (int i = 0; i < 100; i++)
        model_write(&m, (uint64_t)i * 50000, 4096);
    cr_assert(dirty_take(&m.dirty, INT64_MAX, &batch));
    cr_expect_eq(batch.count, 100);
    cr_expect_eq(batch.bytes, 100 * 4096);
    cr_expect_not(dirty_pending(&m.dirty, 0));
    cr_expect(dirty_pending(&m.dirty, 1));
    send_batch(&m, &batch);
    cr_expect_not(dirty_pending(&m.dirty, 100));
    model_free(&m);
}

Test(fs_dirty, bytes_over_what_is_being_sent_wait_for_it)
{
    struct model m = model_new(6);
    struct batch first, second;

    model_write(&m, 1000, 100);
    cr_assert(dirty_take(&m.dirty, INT64_MAX, &first));
    model_write(&m, 1050, 100);
    cr_expect_not(dirty_take(&m.dirty, INT64_MAX, &second));
    cr_expect_eq(dirty_due(&m.dirty, 0), INT64_MAX);
    model_read(&m, 900, 400);
    send_batch(&m, &first);
    cr_assert(dirty_take(&m.dirty, INT64_MAX, &second));
    send_batch(&m, &second);
    cr_expect(memcmp(m.server, m.bytes, 4096) == 0);
    model_free(&m);
}

Test(fs_dirty, what_failed_to_be_sent_goes_first_the_next_time)
{
    struct model m = model_new(7);
    struct batch batch;

    model_write(&m, 1000, 100);
    cr_assert(dirty_take(&m.dirty, INT64_MAX, &batch));
    dirty_unsent(&m.dirty, &batch);
    model_write(&m, 5000, 100);
    cr_expect_eq(dirty_due(&m.dirty, 1000), 0);
    cr_assert(dirty_take(&m.dirty, 0, &batch));
    cr_expect_eq(batch.count, 1);
    cr_expect_eq(batch.extents[0]->off, 1000);
    send_batch(&m, &batch);
    send_all(&m);
    model_free(&m);
}

Test(fs_dirty, a_full_slab_takes_nothing_more)
{
    struct slab *slab;
    struct dirty dirty;
    uint64_t off = 0;
    char byte = 'x';

    cr_assert_eq(slab_new(SLAB_BYTES, &slab), 0);
    dirty_init(&dirty, slab);
    while (dirty_write(&dirty, off, &byte, 1, 1) == 1)
        off += 10;
    cr_expect_eq(slab_idle(slab, SLAB_SMALL), 0);
    cr_expect_eq(slab_idle(slab, SLAB_LARGE), 0);
    cr_expect_eq(dirty_write(&dirty, 0, &byte, 1, 1), 1); /* what is there can still be overwritten */
    dirty_release(&dirty);
    slab_free(&slab);
}

#include "objstore/data/segment.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/errors.h"
#include "objstore/drive/drive.h"

void segment_name(uint64_t id, char ret_name[SEGMENT_NAME_MAX])
{
    snprintf(ret_name, SEGMENT_NAME_MAX, DRIVE_DATA_FOLDER "/%016" PRIx64 ".seg", id);
}

void segment_temp_name(uint64_t id, char ret_name[SEGMENT_NAME_MAX])
{
    snprintf(ret_name, SEGMENT_NAME_MAX, DRIVE_DATA_FOLDER "/%016" PRIx64 ".new", id);
}

/* ---- the table; the caller holds its lock ---- */

static struct segment **table_slot(struct segment_table *table, uint64_t id)
{
    struct segment **at = &table->buckets[id % SEGMENT_BUCKETS];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void idle_remove(struct segment_table *table, struct segment *segment)
{
    *(segment->idle_prev ? &segment->idle_prev->idle_next : &table->idle_first) = segment->idle_next;
    *(segment->idle_next ? &segment->idle_next->idle_prev : &table->idle_last) = segment->idle_prev;
    segment->idle_prev = segment->idle_next = NULL;
    table->idle_count--;
}

static void idle_append(struct segment_table *table, struct segment *segment)
{
    segment->idle_prev = table->idle_last;
    segment->idle_next = NULL;
    *(table->idle_last ? &table->idle_last->idle_next : &table->idle_first) = segment;
    table->idle_last = segment;
    table->idle_count++;
}

static void table_remove(struct segment_table *table, struct segment *segment)
{
    if (!segment->listed)
        return;
    *table_slot(table, segment->id) = segment->next;
    segment->listed = false;
}

/* The least lately used of too many idle ones, out of the table and the caller's to free; or NULL. */
static struct segment *table_evict(struct segment_table *table, unsigned keep)
{
    if (table->idle_count <= keep)
        return NULL;
    struct segment *segment = table->idle_first;
    idle_remove(table, segment);
    table_remove(table, segment);
    return segment;
}

/* ---- entries ---- */

static struct segment *segment_new(struct erasure_set *set, uint64_t id)
{
    struct segment *segment = calloc(1, sizeof(*segment));

    if (!segment)
        return NULL;
    segment->id = id;
    segment->set = set;
    segment->listed = true;
    pthread_mutex_init(&segment->lock, NULL);
    return segment;
}

static void segment_free(struct segment *segment)
{
    if (!segment)
        return;
    for (unsigned i = 0; i < segment->set->n; i++)
        drive_file_close(&segment->files[i]);
    pthread_mutex_destroy(&segment->lock);
    free(segment);
}

void segment_table_init(struct segment_table *table, unsigned idle_max)
{
    memset(table, 0, sizeof(*table));
    table->idle_max = idle_max;
    pthread_mutex_init(&table->lock, NULL);
}

void segment_table_release(struct segment_table *table)
{
    struct segment *segment;

    while ((segment = table_evict(table, 0)))
        segment_free(segment);
    for (unsigned i = 0; i < SEGMENT_BUCKETS; i++)
        assert(!table->buckets[i]);
    pthread_mutex_destroy(&table->lock);
}

struct segment *segment_aside_new(struct erasure_set *set, uint64_t id)
{
    struct segment *segment = segment_new(set, id);

    if (segment) {
        segment->listed = false;
        segment->absent = UINT32_MAX;
        segment->refs = 1;
    }
    return segment;
}

void segment_appeared(struct erasure_set *set, uint64_t id, uint32_t places)
{
    struct segment_table *table = set->segments;

    pthread_mutex_lock(&table->lock);
    struct segment *segment = *table_slot(table, id);
    if (segment) {
        pthread_mutex_lock(&segment->lock);
        segment->absent &= ~places;
        pthread_mutex_unlock(&segment->lock);
    }
    pthread_mutex_unlock(&table->lock);
}

struct segment *segment_get(struct erasure_set *set, uint64_t id)
{
    struct segment_table *table = set->segments;

    pthread_mutex_lock(&table->lock);
    struct segment **at = table_slot(table, id);
    struct segment *segment = *at;
    if (segment && segment->refs == 0)
        idle_remove(table, segment);
    if (!segment)
        segment = *at = segment_new(set, id);
    if (segment)
        segment->refs++;
    pthread_mutex_unlock(&table->lock);
    return segment;
}

struct segment *segment_ref(struct segment *segment)
{
    struct segment_table *table = segment->set->segments;

    pthread_mutex_lock(&table->lock);
    segment->refs++;
    pthread_mutex_unlock(&table->lock);
    return segment;
}

struct segment *segment_claim(struct segment *segment)
{
    struct segment_table *table = segment->set->segments;

    pthread_mutex_lock(&table->lock);
    segment->refs++;
    segment->claims++;
    pthread_mutex_unlock(&table->lock);
    return segment;
}

bool segment_unclaim(struct segment *segment)
{
    struct segment_table *table = segment->set->segments;

    pthread_mutex_lock(&table->lock);
    bool over = --segment->claims == 0 && segment->retired;
    pthread_mutex_unlock(&table->lock);
    return over;
}

bool segment_retire(struct segment *segment)
{
    struct segment_table *table = segment->set->segments;

    pthread_mutex_lock(&table->lock);
    segment->retired = true;
    bool over = segment->claims == 0;
    pthread_mutex_unlock(&table->lock);
    return over;
}

void segment_put(struct segment **segment)
{
    struct segment *s = *segment, *evicted = NULL;

    if (!s)
        return;
    struct segment_table *table = s->set->segments;
    *segment = NULL;
    pthread_mutex_lock(&table->lock);
    if (--s->refs == 0 && s->listed) {
        idle_append(table, s);
        evicted = table_evict(table, table->idle_max);
    } else if (s->refs == 0) {
        evicted = s;
    }
    pthread_mutex_unlock(&table->lock);
    segment_free(evicted);
}

/* ---- files ---- */

/* A file system that went read-only after errors still reads. */
static int open_file(struct drive *drive, uint64_t id, struct drive_file **ret_file)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(id, name);
    int r = drive_open(drive, name, DRIVE_READ_WRITE, ret_file);
    return r == -EROFS || r == -EACCES ? drive_open(drive, name, DRIVE_READ, ret_file) : r;
}

struct drive_file *segment_file(struct segment *segment, unsigned place, int *ret_error)
{
    struct drive *drive = drive_set_get(segment->set->drives, place);

    if (!drive) {
        *ret_error = -ENODEV;
        return NULL;
    }
    *ret_error = 0;
    pthread_mutex_lock(&segment->lock);
    if (!segment->files[place])
        *ret_error = segment->absent >> place & 1 ? -ENOENT : open_file(drive, segment->id, &segment->files[place]);
    if (*ret_error == -ENOENT)
        segment->absent |= 1u << place; /* until segment_appeared */
    struct drive_file *file = segment->files[place];
    pthread_mutex_unlock(&segment->lock);
    return file;
}

void segment_add_file(struct segment *segment, unsigned place, struct drive_file *file)
{
    pthread_mutex_lock(&segment->lock);
    segment->files[place] = file;
    segment->absent &= ~(1u << place);
    pthread_mutex_unlock(&segment->lock);
}

uint32_t segment_absent(struct segment *segment)
{
    pthread_mutex_lock(&segment->lock);
    uint32_t absent = segment->absent & places_all(segment->set);
    pthread_mutex_unlock(&segment->lock);
    return absent;
}

void segment_unlink(struct erasure_set *set, uint64_t id)
{
    struct segment_table *table = set->segments;
    struct segment *idle = NULL;
    char name[SEGMENT_NAME_MAX];

    pthread_mutex_lock(&table->lock);
    struct segment *segment = *table_slot(table, id);
    if (segment && segment->refs == 0) {
        idle_remove(table, segment);
        idle = segment;
    }
    if (segment)
        table_remove(table, segment);
    pthread_mutex_unlock(&table->lock);
    segment_free(idle);

    segment_name(id, name);
    for (unsigned place = 0; place < set->n; place++) {
        struct drive *drive = drive_set_get(set->drives, place);
        int r = drive ? drive_unlink(drive, name)
                      : 0; /* one that is away drops the file when it is back: nothing records it */
        if (r < 0 && r != -ENOENT)
            place_note(set, place, true, r);
    }
}

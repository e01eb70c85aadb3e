#include "objstore/drive/set_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"
#include "objstore/drive/bounded.h"

void uuid_text(const uint8_t uuid[UUID_SIZE], char ret_text[DRIVE_UUID_TEXT])
{
    char hex[2 * UUID_SIZE + 1];

    hex_encode(uuid, UUID_SIZE, hex);
    snprintf(ret_text, DRIVE_UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* ---- making ---- */

static struct drive_set *set_new(unsigned size, unsigned parity)
{
    struct drive_set *set = calloc(1, sizeof(*set));

    if (!set)
        return NULL;
    set->size = size;
    set->parity = parity;
    set->pulses = pulse_group_new(size - parity);
    if (!set->pulses) {
        free(set);
        return NULL;
    }
    pthread_mutex_init(&set->lock, NULL);
    for (unsigned i = 0; i < size; i++)
        set->places[i].error = -ENOENT;
    return set;
}

static void set_free(struct drive_set *set)
{
    if (!set)
        return;
    for (unsigned i = 0; i < set->size; i++) {
        drive_free(&set->places[i].drive);
        drive_free(&set->places[i].candidate);
        free(set->places[i].path);
        free(set->places[i].index_path);
    }
    pulse_group_unref(&set->pulses);
    pthread_mutex_destroy(&set->lock);
    free(set);
}

int drives_new(size_t set_count, unsigned set_size, unsigned parity, struct drives **ret_drives)
{
    struct drives *drives = calloc(1, sizeof(*drives));

    if (drives)
        drives->sets = calloc(set_count, sizeof(struct drive_set *));
    for (size_t i = 0; drives && drives->sets && i < set_count; i++, drives->set_count++) {
        drives->sets[i] = set_new(set_size, parity);
        if (!drives->sets[i])
            break;
    }
    if (!drives || !drives->sets || drives->set_count < set_count) {
        drives_close(&drives);
        return -ENOMEM;
    }
    *ret_drives = drives;
    return 0;
}

void drives_close(struct drives **drives)
{
    if (!drives || !*drives)
        return;
    for (size_t i = 0; i < (*drives)->set_count; i++)
        set_free((*drives)->sets[i]);
    free((*drives)->sets);
    free(*drives);
    *drives = NULL;
}

static int place_name(struct place *place, const char *path)
{
    if (!path)
        return 0;
    char *copy = strdup(path), *index_path = NULL;
    if (!copy || asprintf(&index_path, "%s/" DRIVE_INDEX_FOLDER, path) < 0) {
        free(copy);
        return -ENOMEM;
    }
    free(place->path);
    free(place->index_path);
    place->path = copy;
    place->index_path = index_path;
    return 0;
}

int drive_set_put(struct drive_set *set, unsigned place, const char *path, struct drive *drive)
{
    struct place *p = &set->places[place];
    int r = place_name(p, path);

    if (r == 0 && set->parity > 0) /* without parity there is nothing to turn to but the drive itself */
        r = bounded_drive_new(drive, set->pulses, place, &drive);
    if (r < 0)
        return r;
    p->drive = drive;
    p->error = 0;
    set->online |= 1u << place;
    return 0;
}

int drive_set_miss(struct drive_set *set, unsigned place, const char *path, int error)
{
    struct place *p = &set->places[place];

    p->error = error;
    set->online &= ~(1u << place);
    return place_name(p, path);
}

struct tenant {
    uint64_t device;
    struct place *place;
};

static int tenant_compare(const void *a, const void *b)
{
    const struct tenant *x = a, *y = b;

    return x->device < y->device ? -1 : x->device > y->device;
}

int drives_find_sharers(struct drives *drives)
{
    size_t size = drives->sets[0]->size, count = 0;
    struct tenant *tenants = calloc(drives->set_count * size, sizeof(*tenants));

    if (!tenants)
        return -ENOMEM;
    for (size_t i = 0; i < drives->set_count * size; i++) {
        struct place *place = &drives->sets[i / size]->places[i % size];
        struct drive_space space;

        if (place->drive && drive_space(place->drive, &space) == 0)
            tenants[count++] = (struct tenant){space.device, place};
    }
    qsort(tenants, count, sizeof(*tenants), tenant_compare);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && tenants[end].device == tenants[first].device; end++)
            ;
        for (size_t i = first; i < end; i++)
            tenants[i].place->sharers = (unsigned)(end - first);
    }
    free(tenants);
    return 0;
}

/* ---- use ---- */

size_t drives_set_count(const struct drives *drives)
{
    return drives->set_count;
}

struct drive_set *const *drives_sets(const struct drives *drives)
{
    return drives->sets;
}

bool drives_formatted(const struct drives *drives)
{
    return drives->formatted;
}

void drives_id(const struct drives *drives, char ret_text[DRIVE_UUID_TEXT])
{
    uuid_text(drives->id, ret_text);
}

size_t drives_index_paths(const struct drives *drives, const char *ret_paths[DRIVE_SET_MAX])
{
    const struct drive_set *set = drives->sets[0];
    unsigned replicas = 2 * set->parity + 1;

    if (replicas > set->size)
        replicas = set->size;
    for (unsigned i = 0; i < replicas; i++)
        ret_paths[i] = set->places[i].drive ? set->places[i].index_path : NULL;
    return replicas;
}

unsigned drive_set_size(const struct drive_set *set)
{
    return set->size;
}

unsigned drive_set_data(const struct drive_set *set)
{
    return set->size - set->parity;
}

unsigned drive_set_parity(const struct drive_set *set)
{
    return set->parity;
}

unsigned drive_set_quorum(const struct drive_set *set)
{
    unsigned k = drive_set_data(set);

    return k == set->parity ? k + 1 : k;
}

struct drive *drive_set_get(const struct drive_set *set, unsigned place)
{
    assert(place < set->size);
    return set->places[place].error == 0 ? set->places[place].drive : NULL;
}

uint32_t drive_set_online(const struct drive_set *set)
{
    return set->online & ~pulse_slow(set->pulses, clock_mono_ns());
}

uint32_t drive_set_look(const struct drive_set *set)
{
    return set->online & ~pulse_look(set->pulses, clock_mono_ns());
}

/* A set keeps trying its last k drives: a failing drive may still answer, an abandoned one never does. */
static void place_give_up(struct drive_set *set, unsigned place, int error)
{
    struct place *p = &set->places[place];

    pthread_mutex_lock(&set->lock);
    if (p->error == 0 && (unsigned)__builtin_popcount(set->online) > drive_set_data(set)) {
        set->online &= ~(1u << place);
        p->error = error;
        pulse_leave(set->pulses, place);
    }
    pthread_mutex_unlock(&set->lock);
}

void drive_set_note(struct drive_set *set, unsigned place, enum drive_event event, int error)
{
    struct place *p = &set->places[place];

    if (event == DRIVE_GOOD) {
        if (atomic_load_explicit(&p->errors_in_a_row, memory_order_relaxed) != 0)
            p->errors_in_a_row = 0;
        return;
    }
    atomic_fetch_add_explicit(&p->counts[event], 1, memory_order_relaxed);
    if (event == DRIVE_BITROT)
        return;
    if (atomic_fetch_add(&p->errors_in_a_row, 1) + 1 >= DRIVE_FAULTY_AFTER)
        place_give_up(set, place, error < 0 ? error : -EIO);
}

static int place_space(const struct place *p, struct drive_space *ret_space)
{
    int r = p->drive ? drive_space(p->drive, ret_space) : -ENODEV;

    if (r == 0 && p->sharers > 1) {
        ret_space->total /= p->sharers;
        ret_space->free /= p->sharers;
    }
    return r;
}

int drive_set_space(const struct drive_set *set, unsigned place, struct drive_space *ret_space)
{
    return drive_set_get(set, place) ? place_space(&set->places[place], ret_space) : -ENODEV;
}

void drive_set_status(struct drive_set *set, unsigned place, struct drive_status *ret_status)
{
    struct place *p = &set->places[place];
    struct drive_space space;

    assert(place < set->size);
    memset(ret_status, 0, sizeof(*ret_status));
    ret_status->path = p->path ? p->path : "";
    uuid_text(p->id, ret_status->id);
    ret_status->error = p->error;
    ret_status->state = !p->drive ? DRIVE_MISSING : p->error ? DRIVE_FAULTY : DRIVE_ONLINE;
    if (ret_status->state == DRIVE_ONLINE && !(drive_set_online(set) >> place & 1)) {
        ret_status->state = DRIVE_SLOW;
        ret_status->error = -ETIMEDOUT;
    }
    ret_status->times_slow = set->pulses->times_slow[place];
    if (place_space(p, &space) == 0) {
        ret_status->total = space.total;
        ret_status->free = space.free;
    }
    for (int i = 0; i < DRIVE_EVENTS; i++)
        ret_status->counts[i] = p->counts[i];
}

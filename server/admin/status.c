#include <jansson.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/store.h"
#include "server/admin/admin_priv.h"

/* jansson's own: "s" string, "b" boolean, "I" json_int_t, "o" object whose reference is taken; NULL when memory is
 * short. */

/* JSON is UTF-8, and a path need not be: '?' stands for what can't be said. */
static json_t *path_json(const char *path)
{
    json_t *json = json_string(path);
    char *copy = json ? NULL : strdup(path);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c > 126)
            *c = '?';
    if (copy)
        json = json_string(copy);
    free(copy);
    return json;
}

static json_t *drive_json(const struct store_drive_status *d)
{
    return json_pack("{s:o, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:I}", "path", path_json(d->path), "id",
                     d->id, "set", (json_int_t)d->set, "position", (json_int_t)d->position, "state",
                     store_drive_state_name(d->state), "error", d->error ? cairn_strerror(d->error) : "", "times_slow",
                     (json_int_t)d->times_slow, "capacity", (json_int_t)d->capacity, "free", (json_int_t)d->free,
                     "index_replica", d->index_replica, "index_healthy", d->index_healthy, "index_sequence",
                     (json_int_t)d->index_sequence);
}

static json_t *set_json(const struct store_set_status *s)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:I, s:I}", "set", (json_int_t)s->set, "drives",
                     (json_int_t)s->drives, "parity", (json_int_t)s->parity, "online", (json_int_t)s->online,
                     "write_quorum", (json_int_t)s->write_quorum, "readable", s->readable, "writable", s->writable,
                     "capacity", (json_int_t)s->capacity, "free", (json_int_t)s->free);
}

static json_t *data_json(const struct data_status *d)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "heal_pending", (json_int_t)d->heal_pending, "heal_damaged",
                     (json_int_t)d->heal_damaged, "healed_blobs", (json_int_t)d->healed_blobs, "blobs_freed_pending",
                     (json_int_t)d->blobs_freed_pending, "degraded_reads", (json_int_t)d->degraded_reads,
                     "bitrot_found", (json_int_t)d->bitrot_found);
}

static json_t *scrub_json(const struct scrub_status *s)
{
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "runs", s->runs, "began_ms",
                     (json_int_t)(s->began / 1000000), "ended_ms", (json_int_t)(s->ended / 1000000), "blobs",
                     (json_int_t)s->blobs, "bytes", (json_int_t)s->bytes, "wrong", (json_int_t)s->wrong, "total",
                     (json_int_t)s->total);
}

static json_t *repair_json(const struct repair_status *r, const struct data_refill_status *f)
{
    return json_pack("{s:b, s:b, s:s, s:I, s:I, s:I, s:I}", "healing", r->healing, "waiting", r->waiting, "error",
                     r->error ? cairn_strerror(r->error) : "", "segments_to_refill", (json_int_t)f->segments,
                     "bytes_to_refill", (json_int_t)f->bytes, "blobs_refilled", (json_int_t)f->done_blobs,
                     "bytes_refilled", (json_int_t)f->done_bytes);
}

/* Adds item, which may be NULL, to list; without memory for either the list goes and is NULL. */
static void append(json_t **list, json_t *item)
{
    if (*list && json_array_append_new(*list, item) < 0) {
        json_decref(*list);
        *list = NULL;
    }
}

static json_t *drives_json(struct store *store, size_t count)
{
    struct store_drive_status *rows = calloc(count + 1, sizeof *rows);
    json_t *list = rows ? json_array() : NULL;
    count = rows ? store_drive_rows(store, rows, count) : 0;
    for (size_t i = 0; i < count && list; i++)
        append(&list, drive_json(&rows[i]));
    free(rows);
    return list;
}

static json_t *sets_json(struct store *store, size_t count)
{
    struct store_set_status *rows = calloc(count + 1, sizeof *rows);
    json_t *list = rows ? json_array() : NULL;
    count = rows ? store_set_rows(store, rows, count) : 0;
    for (size_t i = 0; i < count && list; i++)
        append(&list, set_json(&rows[i]));
    free(rows);
    return list;
}

static json_t *status_json(struct store *store)
{
    struct store_status s;
    store_status(store, &s);
    return json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "id", s.id,
                     "readable", s.readable, "writable", s.writable, "capacity", (json_int_t)s.capacity, "free",
                     (json_int_t)s.free, "drives_online", (json_int_t)s.drives_online, "drive_count",
                     (json_int_t)s.drive_count, "index_replicas", (json_int_t)s.index_replicas, "index_healthy",
                     (json_int_t)s.index_healthy, "index_write_quorum", (json_int_t)s.index_write_quorum, "data",
                     data_json(&s.data), "repair", repair_json(&s.repair, &s.data.refill), "scrub",
                     scrub_json(&s.scrub), "sets", sets_json(store, s.set_count), "drives",
                     drives_json(store, s.drive_count));
}

int admin_status(struct http_request *request, struct admin *admin)
{
    json_t *status = status_json(admin->store);
    char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;
    json_decref(status);
    if (!text)
        return -ENOMEM;
    int r = http_reply_bytes(request, 200, "application/json", span_cstr(text));
    free(text);
    return r;
}

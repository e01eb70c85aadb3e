/*
 * The daemon's figures in Prometheus' text format, version 0.0.4. A row of a table per metric; names begin with cairn_,
 * times are seconds, sizes bytes.
 */
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "objstore/store.h"
#include "server/admin/admin_priv.h"
#include "server/posix/posix.h"

static void describe(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    describe(out, name, "gauge", help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    describe(out, name, "counter", help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* ---- the store ---- */

static void store_metrics(struct buf *out, struct store *store)
{
    struct store_status s;
    store_status(store, &s);
    gauge(out, "cairn_readable", "1 while reads are answered", s.readable);
    gauge(out, "cairn_writable", "1 while writes are taken", s.writable);
    gauge(out, "cairn_capacity_bytes", "bytes of object data that the drives hold", s.capacity);
    gauge(out, "cairn_free_bytes", "bytes of object data that may still be written", s.free);
    gauge(out, "cairn_drives", "drives of the deployment", s.drive_count);
    gauge(out, "cairn_drives_online", "drives that answer", s.drives_online);
    gauge(out, "cairn_index_replicas", "replicas of the index", s.index_replicas);
    gauge(out, "cairn_index_replicas_current", "replicas that hold the last commit", s.index_healthy);
    gauge(out, "cairn_heal_pending_blobs", "blobs that lack shards", s.data.heal_pending);
    gauge(out, "cairn_heal_damaged_blobs", "… of which too few shards are good", s.data.heal_damaged);
    counter(out, "cairn_healed_blobs_total", "blobs written anew to have all shards", s.data.healed_blobs);
    gauge(out, "cairn_refill_pending_bytes", "bytes of shards that drives lack with the whole file",
          s.data.refill.bytes);
    counter(out, "cairn_refilled_bytes_total", "… that were written anew", s.data.refill.done_bytes);
    gauge(out, "cairn_scrub_ended_seconds", "when the last verification of all shards ended, since 1970; 0: none has",
          (uint64_t)s.scrub.ended / 1000000000);
    gauge(out, "cairn_scrub_bytes", "bytes that the verification under way, or the last, has read", s.scrub.bytes);
    gauge(out, "cairn_reclaim_pending_blobs", "freed blobs whose space is not given back yet",
          s.data.blobs_freed_pending);
    counter(out, "cairn_degraded_reads_total", "reads that needed parity", s.data.degraded_reads);
    counter(out, "cairn_bitrot_shards_total", "damaged shards found by reads", s.data.bitrot_found);
}

/* ---- requests ---- */

static const char *const outcomes[HTTP_OUTCOMES] = {
    [HTTP_OUTCOME_OK] = "ok",
    [HTTP_OUTCOME_CLIENT_ERROR] = "client_error",
    [HTTP_OUTCOME_SERVER_ERROR] = "server_error",
    [HTTP_OUTCOME_CUT] = "cut",
};

typedef void row_writer(struct buf *out, const char *name, const struct http_operation_metrics *row);

static void write_outcomes(struct buf *out, const char *name, const struct http_operation_metrics *row)
{
    for (size_t i = 0; i < HTTP_OUTCOMES; i++)
        buf_printf(out, "cairn_requests_total{operation=\"%s\",outcome=\"%s\"} %llu\n", name, outcomes[i],
                   (unsigned long long)atomic_load_explicit(&row->outcomes[i], memory_order_relaxed));
}

static void write_received(struct buf *out, const char *name, const struct http_operation_metrics *row)
{
    buf_printf(out, "cairn_received_bytes_total{operation=\"%s\"} %llu\n", name,
               (unsigned long long)atomic_load_explicit(&row->bytes_in, memory_order_relaxed));
}

static void write_sent(struct buf *out, const char *name, const struct http_operation_metrics *row)
{
    buf_printf(out, "cairn_sent_bytes_total{operation=\"%s\"} %llu\n", name,
               (unsigned long long)atomic_load_explicit(&row->bytes_out, memory_order_relaxed));
}

static void write_latency(struct buf *out, const char *name, const struct http_operation_metrics *row)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < HTTP_LATENCY_BOUNDS; i++) {
        sum += atomic_load_explicit(&row->latency[i], memory_order_relaxed);
        buf_printf(out, "cairn_request_seconds_bucket{operation=\"%s\",le=\"%g\"} %llu\n", name,
                   (double)http_latency_bounds[i] / 1e9, (unsigned long long)sum);
    }
    sum += atomic_load_explicit(&row->latency[HTTP_LATENCY_BOUNDS], memory_order_relaxed);
    double seconds = (double)atomic_load_explicit(&row->latency_sum_ns, memory_order_relaxed) / 1e9;
    buf_printf(out,
               "cairn_request_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n"
               "cairn_request_seconds_sum{operation=\"%s\"} %.9f\ncairn_request_seconds_count{operation=\"%s\"} %llu\n",
               name, (unsigned long long)sum, name, seconds, name, (unsigned long long)sum);
}

static const struct request_metric {
    const char *name, *type, *help;
    row_writer *write;
} request_metrics[] = {
    {"cairn_requests_total", "counter", "requests by operation and outcome", write_outcomes},
    {"cairn_received_bytes_total", "counter", "bytes of bodies received", write_received},
    {"cairn_sent_bytes_total", "counter", "bytes of bodies sent", write_sent},
    {"cairn_request_seconds", "histogram", "time from a request's head to its reply's end", write_latency},
};

static void each_operation(struct buf *out, struct http_metrics *metrics, row_writer *write)
{
    for (size_t i = 0; i < HTTP_METRICS_ROWS; i++) {
        const char *name = atomic_load(&metrics->rows[i].name);
        if (name)
            write(out, name, &metrics->rows[i]);
    }
    write(out, "Other", &metrics->other);
}

static void server_metrics(struct buf *out, struct http_server *server)
{
    struct http_server_status s;
    http_server_status(server, &s);
    gauge(out, "cairn_connections", "open connections", s.connections);
    gauge(out, "cairn_streams", "connections that hold a push stream", s.parked);
    gauge(out, "cairn_workers", "worker threads", s.workers);
    for (size_t i = 0; i < sizeof request_metrics / sizeof request_metrics[0]; i++) {
        describe(out, request_metrics[i].name, request_metrics[i].type, request_metrics[i].help);
        each_operation(out, http_server_metrics(server), request_metrics[i].write);
    }
}

static void mount_metrics(struct buf *out, struct posix *posix)
{
    struct posix_counts c;
    posix_count(posix, &c);
    gauge(out, "cairn_mounts", "sessions of mounts", c.sessions);
    gauge(out, "cairn_open_files", "handles that mounts hold open", c.handles);
}

int admin_metrics(struct http_request *request, struct admin *admin)
{
    struct buf out = BUF_INIT;
    store_metrics(&out, admin->store);
    mount_metrics(&out, admin->posix);
    server_metrics(&out, admin->server);
    int r = out.failed ? out.failed : http_reply_bytes(request, 200, "text/plain; version=0.0.4", buf_span(&out));
    buf_release(&out);
    return r;
}

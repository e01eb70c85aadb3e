#include "server/http/metrics.h"

#include <string.h>

#include "objstore/base/hash.h"

const int64_t http_latency_bounds[HTTP_LATENCY_BOUNDS] = {
    100000,   250000,   500000,    1000000,   2500000,    5000000,
    10000000, 50000000, 100000000, 500000000, 1000000000, 10000000000,
};

/* The row of that name: found, or a free one claimed. */
static struct http_operation_metrics *find_row(struct http_metrics *metrics, const char *name)
{
    size_t start = (size_t)xxh3(name, strlen(name), 0) % HTTP_METRICS_ROWS;
    for (size_t i = 0; i < HTTP_METRICS_ROWS; i++) {
        struct http_operation_metrics *row = &metrics->rows[(start + i) % HTTP_METRICS_ROWS];
        const char *held = atomic_load_explicit(&row->name, memory_order_acquire);
        if (!held && atomic_compare_exchange_strong(&row->name, &held, name))
            return row;
        if (held == name || strcmp(held, name) == 0)
            return row;
    }
    return &metrics->other;
}

static enum http_outcome outcome_of(const struct http_result *result)
{
    if (result->cut || result->status == 0)
        return HTTP_OUTCOME_CUT;
    if (result->status >= 500)
        return HTTP_OUTCOME_SERVER_ERROR;
    return result->status >= 400 ? HTTP_OUTCOME_CLIENT_ERROR : HTTP_OUTCOME_OK;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void http_metrics_count(struct http_metrics *metrics, const struct http_result *result)
{
    struct http_operation_metrics *row = find_row(metrics, result->operation);
    size_t bucket = 0;
    while (bucket < HTTP_LATENCY_BOUNDS && result->duration_ns > http_latency_bounds[bucket])
        bucket++;
    add(&row->outcomes[outcome_of(result)], 1);
    add(&row->bytes_in, result->bytes_in);
    add(&row->bytes_out, result->bytes_out);
    add(&row->latency[bucket], 1);
    add(&row->latency_sum_ns, (uint64_t)result->duration_ns);
}

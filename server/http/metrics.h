/*
 * Counters of requests by operation. Written with relaxed atomics on the request's thread; a reader sees each count
 * exact, but not all of one instant.
 */
#ifndef CAIRN_HTTP_METRICS_H
#define CAIRN_HTTP_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What became of a request. */
struct http_result {
    const char *operation;              /* of the request; "Unrouted" when it has none */
    int status;                         /* 0: no reply could be begun */
    bool cut;                           /* the reply broke off */
    uint64_t bytes_in, bytes_out;       /* of bodies, as transferred */
    int64_t first_byte_ns, duration_ns; /* since the head was complete: reply begun, reply sent */
};

/* Upper bounds of the latency histogram, in ns; the last bucket has none. */
#define HTTP_LATENCY_BOUNDS 12
extern const int64_t http_latency_bounds[HTTP_LATENCY_BOUNDS];

enum http_outcome {
    HTTP_OUTCOME_OK,
    HTTP_OUTCOME_CLIENT_ERROR,
    HTTP_OUTCOME_SERVER_ERROR,
    HTTP_OUTCOME_CUT,
    HTTP_OUTCOMES
};

struct http_operation_metrics {
    const char *_Atomic name; /* NULL: a free row */
    _Atomic uint64_t outcomes[HTTP_OUTCOMES];
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t latency[HTTP_LATENCY_BOUNDS + 1];
    _Atomic uint64_t latency_sum_ns;
};

/* Operations are named by literals; those of equal text are one. More than the table holds are counted in a row
 * "Other". */
#define HTTP_METRICS_ROWS 256
struct http_metrics {
    struct http_operation_metrics rows[HTTP_METRICS_ROWS];
    struct http_operation_metrics other;
};

void http_metrics_count(struct http_metrics *metrics, const struct http_result *result);

#endif

/* What the verifying and the signing side of SigV4 share. */
#ifndef CAIRN_WIRE_SIGV4_PRIV_H
#define CAIRN_WIRE_SIGV4_PRIV_H

#include "server/wire/sigv4.h"

#define SIGV4_TERMINATOR "aws4_request"

/* Where a parameter is repeated: AWS orders by value as well, MinIO's libraries leave the order that was given. */
enum sigv4_order { SIGV4_BY_NAME_AND_VALUE, SIGV4_BY_NAME };
/* The canonical query: encoded pairs in order, without X-Amz-Signature. In the arena. 0, -ENOMEM. */
int sigv4_canonical_query(const struct uri_query *query, enum sigv4_order order, struct arena *a,
                          struct span *ret_text);

/* From a request to its signature: all the rest is parsing. canonical_query as above; scope and timestamp as text.
 * 0, -ENOMEM. */
int sigv4_signature(const struct sigv4_request *request, struct span canonical_query, struct span signed_headers,
                    struct span timestamp, struct span scope, const struct sigv4_key *key, struct arena *a,
                    struct sigv4_proof *ret_proof);

#endif

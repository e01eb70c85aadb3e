/*
 * The S3 API: routes a verified request by the table of operations (ops.h) and answers it from the namespace.
 *
 * A request's journey: bucket and key from host and path → the operation's row → may this caller do it → the handler,
 * which reads the body, works in a view or a mutation of the namespace, and replies. What a handler answers as a
 * negative error before its reply has begun becomes the XML error of s3_error.h here, and nowhere else.
 */
#ifndef CAIRN_S3_H
#define CAIRN_S3_H

#include "server/http/http.h"

struct ns;
struct s3;

/* May the caller of request do action ("s3:GetObject") on bucket and key (each may be empty)? 0, or the error to
 * answer, as a rule S3_ACCESS_DENIED. Called on the request's thread before its body is read; must not reply. */
typedef int s3_authorize(struct http_request *request, const char *action, struct span bucket, struct span key,
                         void *arg);

struct s3_options {
    const struct span
        *domains; /* "s3.example.org": bucket.s3.example.org is virtual-host style. Live as long as the s3 */
    size_t domain_count;
    struct span region;      /* empty: "us-east-1" */
    struct span account;     /* 12 digits, what x-amz-expected-bucket-owner must name; empty: "000000000000" */
    struct span owner_id;    /* canonical user id in listings and ACLs; empty: a constant one */
    struct span owner_name;  /* its display name; empty: "cairn" */
    s3_authorize *authorize; /* NULL: every signed request may do all, an anonymous one nothing */
    void *authorize_arg;
};

/* The spans of options are borrowed until s3_free. 0, -ENOMEM. */
int s3_new(struct ns *ns, const struct s3_options *options, struct s3 **ret_s3);
/* No request may be under way. Accepts NULL. */
void s3_free(struct s3 **s3);

/* An http_handler; arg is the struct s3. It replies to all that can be replied to: a negative answer means that the
 * reply broke off half-way, or that the peer is gone. */
int s3_handle(struct http_request *request, void *arg);

#endif

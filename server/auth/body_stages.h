/*
 * Stages of a body that check what the client signed about it, on the way through.
 */
#ifndef CAIRN_AUTH_BODY_STAGES_H
#define CAIRN_AUTH_BODY_STAGES_H

#include "server/http/http.h"
#include "server/wire/aws_chunked.h"

/* The whole body must hash to these 64 hex digits: CAIRN_EDIGEST at its end otherwise. */
int body_stage_sha256(struct http_request *request, struct span hex);
/* The body is aws-chunked: takes the framing off, checks chunks, trailers and length. chain as aws_chunked_init has it;
 * decoded_length is what the client announced. Sets the request's content_length. */
int body_stage_aws_chunked(struct http_request *request, enum sigv4_payload kind, const struct sigv4_chain *chain,
                           uint64_t decoded_length);

#endif

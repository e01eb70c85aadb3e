/*
 * Continuation tokens: where a listing goes on. Opaque to clients: base64 of a version byte and the last entry told.
 */
#ifndef CAIRN_S3_TOKEN_H
#define CAIRN_S3_TOKEN_H

#include "server/s3/call.h"

/* The entry in a token of the query; .ptr is NULL when the parameter is absent or empty. InvalidArgument for what we
 * never gave.
 */
int token_decode(struct s3_call *call, const char *parameter, struct span *ret_entry);
/* <element>token</element> */
void token_xml(struct s3_call *call, struct buf *xml, const char *element, struct span entry);

#endif

/*
 * Credentials: an access key and its secret, from a file or from the environment.
 *
 * A file has either of two forms. The AWS tools': sections "[profile]" with the lines "aws_access_key_id = …" and
 * "aws_secret_access_key = …" (lines before the first section belong to "default"). s3fs's: lines "KEY:SECRET", or
 * "BUCKET:KEY:SECRET", which counts for that bucket only and before the others. Lines with '#' or ';' are comments.
 */
#ifndef CAIRN_FS_CREDENTIALS_H
#define CAIRN_FS_CREDENTIALS_H

#include "objstore/base/span.h"

#define CREDENTIALS_FILE_MAX (64u << 10) /* bytes; such a file has a few lines */

/* Strings are owned by the struct. */
struct credentials {
    char *access_key;
    char *secret;
};

/* profile NULL: "default"; bucket may be NULL. 0; -ENOENT when text has none that fits; -ENOMEM. */
int credentials_parse(struct span text, const char *profile, const char *bucket, struct credentials *ret_credentials);
/* Likewise from a file, which must not be open to others (no permission for others, no writing by its group): -EPERM.
 * Other errors: open(2)'s; CAIRN_ETOOBIG. */
int credentials_read(const char *path, const char *profile, const char *bucket, struct credentials *ret_credentials);
/* AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. -ENOENT, -ENOMEM. */
int credentials_from_environment(struct credentials *ret_credentials);
/* Wipes the secret. Accepts a zeroed struct. */
void credentials_release(struct credentials *credentials);

#endif

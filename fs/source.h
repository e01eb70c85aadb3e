/*
 * Source: what is mounted, as it stands in fstab and on the command line.
 *
 *     http://HOST[:PORT][/BUCKET[/PREFIX]]      https:// likewise
 *     unix:PATH[:/BUCKET[/PREFIX]]              a socket; the first ":/" ends its path
 *
 * Bucket and prefix stand as they are, without percent-encoding. Slashes at the end and repeated ones don't count.
 */
#ifndef CAIRN_FS_SOURCE_H
#define CAIRN_FS_SOURCE_H

/* Strings are owned by the struct. */
struct source {
    char *endpoint; /* "http://host:port", as s3_client_options takes it */
    char *bucket;   /* NULL: every bucket, as directories */
    char *prefix;   /* "a/b", or NULL */
};

/* 0; -EINVAL for none of the forms above, a "." or ".." in it, a host that is missing, or a port that is none; -ENOMEM.
 */
int source_parse(const char *text, struct source *ret_source);
/* Accepts a zeroed source. */
void source_release(struct source *source);

#endif

/*
 * Names as a mount shows them: a reversible escape, as pure functions. Any thread.
 *
 * A name of the store is a component of a key without '/': 0 to 1024 bytes, no NUL. A mount shows it as it is, but for:
 *
 *   name of the store                            in the mount
 *   ""  "."  ".."                                @cairn.name.  @cairn.name..  @cairn.name...
 *   what is the escape of another name           @cairn.name.NAME
 *   an object beside a directory of its name     @cairn.object.NAME
 *   one whose escape is over 255 bytes           @cairn.long.PREFIX~HASH   @cairn.longobject.PREFIX~HASH
 *
 * PREFIX is as much of the name as fits, cut between UTF-8 characters; HASH is the first half of the whole name's
 * SHA-256 in hex. What looks like an escape but is not the escape of any name ("@cairn.name.a") stands for itself. So
 * every name has exactly one form in a mount, and every form but the long ones says its name; a long one is found by
 * looking through the names with its prefix.
 */
#ifndef CAIRN_NAMESPACE_NAME_H
#define CAIRN_NAMESPACE_NAME_H

#include "objstore/base/span.h"

#define NAME_SHOWN_MAX 255

enum name_kind {
    NAME_PLAIN,  /* name is the name of a directory, or of an object without one beside it */
    NAME_OBJECT, /* name is the name of an object beside a directory */
    NAME_LONG    /* name is only its beginning */
};

/* Writes the form of name into ret_shown and returns its length, 1 … 255; -ENOMEM. shadowed: an object beside a
 * directory of its name. */
int name_show(struct span name, bool shadowed, char ret_shown[NAME_SHOWN_MAX]);
/* What a form, 1 to 255 bytes, stands for; *ret_name is a part of shown. */
enum name_kind name_read(struct span shown, struct span *ret_name);

/* The rules for names of general purpose buckets: 3 to 63 of a-z 0-9 . -, a letter or digit at both ends, no "..", no
 * IPv4 address, none of the prefixes and suffixes that S3 reserves (AWS: bucket naming rules; amzn-s3-demo-, which
 * only matters in AWS's global namespace, is free), and neither "cairn" nor "minio", whose paths the daemon keeps. */
bool name_is_bucket(struct span name);

#endif

/*
 * Listing: the keys of a bucket in byte order, those that share what stands before the delimiter rolled up into one
 * common prefix. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
#ifndef CAIRN_S3_LIST_H
#define CAIRN_S3_LIST_H

#include "server/s3/call.h"

/* ---- pure pieces ---- */

/* The common prefix that key rolls up into: all of it to the end of the first delimiter behind prefix. .ptr is NULL
 * when the key stands for itself (no delimiter asked for, or none in it). key begins with prefix. */
struct span list_common_prefix(struct span key, struct span prefix, struct span delimiter);
/* The least byte string behind all that begin with s, into ret (room for s.len); .ptr is NULL when there is none. */
struct span list_behind(struct span s, char *ret);

/* ---- one page ---- */

struct list_query {
    struct span prefix, delimiter;
    struct span after; /* only what is greater than this, also of common prefixes; empty: from the start */
    uint64_t max;      /* entries of the page */
    bool url;          /* encoding-type=url */
};
/* Reads prefix, delimiter, max-keys (the parameter's name is max_parameter) and encoding-type. InvalidArgument. */
int list_query_read(struct s3_call *call, const char *max_parameter, struct list_query *ret_query);

struct list_page {
    struct buf entries;  /* XML of the keys, by the caller's function */
    struct buf prefixes; /* XML of the common prefixes */
    uint64_t count;
    bool truncated;
    struct buf last; /* the last entry told, key or common prefix */
};
void list_page_release(struct list_page *page);

/* Called for each key that stands for itself: appends its XML to xml. */
typedef void list_entry(struct s3_call *call, struct buf *xml, const struct list_query *query, struct span key,
                        const struct inode *inode);
/* Fills a page in a view of its own. NoSuchBucket, KeyTooLongError. page is zeroed, and to be released in any case. */
int list_run(struct s3_call *call, const struct list_query *query, list_entry *entry, struct list_page *page);

/* <name>key</name>, url-encoded when the query asks for it. */
void list_xml_key(struct buf *xml, const struct list_query *query, const char *name, struct span key);
/* Entries, then common prefixes. */
void list_xml_page(struct buf *xml, const struct list_page *page);
/* <Delimiter> and <EncodingType>, as far as given. */
void list_xml_query(struct buf *xml, const struct list_query *query);
/* <Prefix> inside <CommonPrefixes>. */
void list_xml_prefix(struct buf *xml, const struct list_query *query, struct span prefix);

#endif

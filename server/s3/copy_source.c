#include "server/s3/copy.h"

#include "objstore/namespace/name.h"
#include "server/s3/hasher.h"
#include "server/wire/uri.h"

int copy_source_read(struct s3_call *call, struct copy_source *ret_source)
{
    struct copy_source source;
    struct span version, header = s3_header(call, "x-amz-copy-source");
    int ret = uri_copy_source(header, &call->request->arena, &source.bucket, &source.key, &version);
    if (ret == CAIRN_ESYNTAX || (ret == 0 && (!source.bucket.len || !source.key.len)))
        return s3_bad_argument(call, "x-amz-copy-source", header,
                               "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    if (ret == 0 && !name_is_bucket(source.bucket))
        return s3_bad_argument(call, "x-amz-copy-source", header, "Invalid copy source bucket name");
    if (ret == 0)
        ret = s3_check_version_id(call, version);
    if (ret == 0)
        ret = s3_check_key(call, source.key);
    if (ret == 0)
        ret = s3_may(call, "s3:GetObject", source.bucket, source.key);
    cond_read_copy_source(&call->request->head, call->request->now, &source.cond);
    if (ret == 0)
        *ret_source = source;
    return ret;
}

int copy_source_find(struct ns_txn *txn, const struct copy_source *source, struct inode *ret_object)
{
    struct inode bucket;
    char etag[INODE_ETAG_MAX];
    int ret = ns_bucket_find(txn, source->bucket, &bucket);
    if (ret == 0)
        ret = ns_key_find(txn, bucket.ino, source->key, ret_object);
    if (ret < 0)
        return ret;
    inode_etag(ret_object, etag);
    return cond_check_copy_source(&source->cond, span_cstr(etag), ret_object->mtime) == COND_OK ? 0
                                                                                                : CAIRN_EPRECONDITION;
}

int copy_check_no_body(struct s3_call *call)
{
    if (call->request->has_length && call->request->content_length == 0)
        return 0;
    char byte;
    ptrdiff_t got = http_body_read(call->request, &byte, 1);
    return got <= 0 ? (int)got : s3_fail(call, S3_INVALID_REQUEST, "A copy request has no body.");
}

static int hash_reader(struct s3_call *call, struct body_reader *reader, struct hasher *hasher)
{
    struct pool *pool = call->s3->buffers;
    char *buffers[2] = {pool_get(pool), pool_get(pool)};
    ptrdiff_t got = buffers[0] && buffers[1] ? 1 : -ENOMEM;
    for (unsigned turn = 0; got > 0; turn ^= 1) {
        got = body_read(reader, buffers[turn], S3_BUFFER);
        if (got > 0)
            hasher_feed(hasher, buffers[turn], (size_t)got);
    }
    hasher_wait(hasher);
    pool_put(pool, buffers[0]);
    pool_put(pool, buffers[1]);
    return (int)got;
}

int copy_digests(struct s3_call *call, struct ns_txn **txn, const struct inode *inode, uint64_t off, uint64_t len,
                 const enum hash_kind *kinds, size_t count, uint8_t ret_digests[][HASH_MAX])
{
    struct body_reader *reader = NULL;
    struct hasher *hasher = NULL;
    int ret = len ? body_reader_new(*txn, inode, off, len, &reader) : 0;
    ns_view_end(txn);
    if (ret == 0)
        ret = hasher_new(kinds, count, len, &hasher);
    if (ret == 0 && reader) {
        http_seat_leave();
        ret = hash_reader(call, reader, hasher);
        http_seat_take();
    }
    for (size_t i = 0; ret == 0 && i < count; i++)
        hasher_final(hasher, i, ret_digests[i]);
    hasher_free(&hasher);
    body_reader_free(&reader);
    return ret;
}

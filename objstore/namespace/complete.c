/*
 * CompleteMultipartUpload: a put of a key whose body comes from an upload's parts.
 */
#include "objstore/namespace/key.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/part.h"

/* The parts are there, each once, and make a file that is not too large. */
static int complete_check(struct ns_txn *txn, const struct ns_upload *upload, const uint32_t *numbers, size_t count)
{
    uint64_t size = 0;
    if (count == 0 || count > NS_PART_MAX)
        return CAIRN_EBADPART;
    for (size_t i = 0; i < count; i++) {
        struct part part;
        if (i > 0 && numbers[i] <= numbers[i - 1])
            return CAIRN_EPARTORDER;
        int r = part_get(txn, TAG_PART, upload->ino, numbers[i], &part);
        if (r < 0)
            return r == -ENOENT ? CAIRN_EBADPART : r;
        if (part.face.size > INT64_MAX - size)
            return CAIRN_ETOOBIG;
        size += part.face.size;
    }
    return 0;
}

int ns_upload_complete(struct ns_txn *txn, uint64_t bucket, const struct ns_upload *upload, const uint32_t *numbers,
                       size_t count, const struct ns_put *put, struct inode *ret_inode)
{
    struct body_source source = {.upload = upload, .numbers = numbers, .count = count};
    struct ns_upload kept = *upload;
    struct ns_put kept_put = *put;
    int r = complete_check(txn, upload, numbers, count);
    if (r < 0)
        return r;
    /* key and attributes may be spans of the upload's record, which goes while they are still wanted */
    kept.key = arena_dup(&txn->arena, upload->key);
    kept_put.attrs = arena_dup(&txn->arena, put->attrs);
    if (!kept.key.ptr || !kept_put.attrs.ptr)
        return -ENOMEM;
    r = key_put(txn, bucket, kept.key, &kept_put, &source, ret_inode);
    return r < 0 ? r : ns_upload_abort(txn, bucket, &kept);
}

#include <stdlib.h>

#include "objstore/namespace/body.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/ns_priv.h"

#define BODY_MAX (5ull << 30)

struct body_writer {
    uint64_t length;
    uint64_t given;
    bool finished;
    struct blob_writer *blob; /* NULL: the bytes stay here */
    char bytes[];             /* length of them without a blob */
};

static int writer_new(struct ns *ns, uint64_t length, bool small, struct body_writer **ret_writer)
{
    if (length > BODY_MAX)
        return CAIRN_ETOOBIG;
    struct body_writer *writer = malloc(sizeof(*writer) + (small ? length : 0));
    if (!writer)
        return -ENOMEM;
    *writer = (struct body_writer){.length = length};
    int r = small ? 0 : blob_writer_new(ns->data, length, &writer->blob);
    if (r < 0) {
        free(writer);
        return r;
    }
    *ret_writer = writer;
    return 0;
}

int body_writer_new(struct ns *ns, uint64_t length, struct body_writer **ret_writer)
{
    return writer_new(ns, length, length <= NS_INLINE_MAX, ret_writer);
}

int body_writer_new_for(struct ns *ns, uint64_t ino, uint64_t length, struct body_writer **ret_writer)
{
    bool small = length == 0 || (length <= NS_INLINE_MAX && !tidy_is_heavy(&ns->tidy, ino));
    return writer_new(ns, length, small, ret_writer);
}

int body_write(struct body_writer *writer, const void *bytes, size_t len)
{
    if (len > writer->length - writer->given)
        return CAIRN_ETOOBIG;
    if (len == 0)
        return 0;
    if (writer->blob) {
        int r = blob_write(writer->blob, bytes, len);
        if (r < 0)
            return r;
    } else {
        memcpy(writer->bytes + writer->given, bytes, len);
    }
    writer->given += len;
    return 0;
}

int body_writer_finish(struct body_writer *writer)
{
    if (writer->given != writer->length)
        return -EINVAL;
    int r = writer->blob ? blob_writer_finish(writer->blob) : 0;
    writer->finished = r >= 0;
    return r < 0 ? r : 0;
}

void body_writer_free(struct body_writer **writer)
{
    if (!*writer)
        return;
    blob_writer_free(&(*writer)->blob);
    free(*writer);
    *writer = NULL;
}

int body_check(const struct body_writer *writer)
{
    return writer && !writer->finished ? -EINVAL : 0;
}

uint64_t body_length(const struct body_writer *writer)
{
    return writer ? writer->length : 0;
}

int body_link(struct ns_txn *txn, struct inode *inode, uint64_t off, struct body_writer *writer)
{
    if (!writer)
        return 0;
    if (!writer->blob)
        return extents_add_inline(txn, inode, off, span_make(writer->bytes, writer->length));
    int r = blob_commit(txn->index, writer->blob, 1);
    if (r < 0)
        return r;
    struct extent extent = {.off = off, .len = writer->length, .blob = blob_writer_id(writer->blob)};
    return extents_add_blob(txn, inode, &extent);
}

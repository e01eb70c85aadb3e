/*
 * Verification: every record of one snapshot against the others.
 *
 *   'I'  its entries (a directory), extents, link count, orphan record          verify_inodes.c
 *   'N'  is in a directory that exists; an upload's has its 'U'
 *   'E'  is of an inode's, a part's or a garbage body; its blob counts it
 *   'V' 'Q' 'X'  are of an upload or inode that exists, or of garbage
 *   'C'  counts the inodes, and is above every number
 *   blobs  have as many references as extents name them
 */
#include <endian.h>
#include <stdlib.h>

#include "objstore/namespace/counters.h"
#include "objstore/namespace/extent.h"
#include "objstore/namespace/ns_priv.h"
#include "objstore/namespace/part.h"
#include "objstore/namespace/verify.h"

static bool links_have(const struct verify *v, uint64_t ino)
{
    const struct links *links = (const struct links *)(const void *)v->links.ptr;
    size_t low = 0, high = v->links.len / sizeof(*links);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (links[mid].ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return low < v->links.len / sizeof(*links) && links[low].ino == ino;
}

static int check_garbage(struct verify *v, uint64_t id, struct span key, struct span value)
{
    (void)key, (void)value;
    return numbers_add(&v->garbage, id);
}

static int check_part(struct verify *v, uint64_t id, struct span key, struct span value)
{
    struct part part;
    if (part_decode(key, value, &part) < 0) {
        verify_finding(v, "upload %lu has a part that can't be read", id);
        return 0;
    }
    if (!numbers_have(&v->uploads, id) && !numbers_have(&v->garbage, id))
        verify_finding(v, "a part is of upload %lu, which is missing", id);
    verify_number(v, part.body);
    return numbers_add(&v->bodies, part.body);
}

/* Entries are counted against what the walks of the directories gave; those of uploads are gathered. */
static int check_dentry(struct verify *v, uint64_t id, struct span key, struct span value)
{
    struct dentry entry;
    (void)key;
    if (dentry_decode(value, &entry) < 0) {
        verify_finding(v, "directory %lu has an entry that can't be read", id);
        return 0;
    }
    verify_number(v, entry.ino);
    if (entry.type == DENTRY_UPLOAD)
        return numbers_add(&v->uploads, entry.ino);
    if (entry.type != DENTRY_CHAIN)
        v->entries--;
    return 0;
}

static int check_upload(struct verify *v, uint64_t id, struct span key, struct span value)
{
    struct upload_record upload;
    (void)key;
    if (value.len < sizeof(upload)) {
        verify_finding(v, "upload %lu can't be read", id);
        return 0;
    }
    memcpy(&upload, value.ptr, sizeof(upload));
    uint64_t bucket = le64toh(upload.bucket);
    if (!numbers_have(&v->uploads, id))
        verify_finding(v, "upload %lu has no entry in bucket %lu", id, bucket);
    if (!links_have(v, bucket) && !numbers_have(&v->garbage, bucket | NS_UPLOADS_BIT))
        verify_finding(v, "upload %lu is of bucket %lu, which is missing", id, bucket);
    v->upload_records++;
    return 0;
}

static int check_extent(struct verify *v, uint64_t id, struct span key, struct span value)
{
    struct extent extent;
    if (extent_decode(key, value, &extent) < 0) {
        verify_finding(v, "body %lu has an extent that can't be read", id);
        return 0;
    }
    if (!numbers_have(&v->bodies, id) && !numbers_have(&v->garbage, id))
        verify_finding(v, "an extent is of body %lu, which is nobody's", id);
    return extent.bytes.ptr ? 0 : numbers_add(&v->blobs, extent.blob);
}

static int check_of_inode(struct verify *v, uint64_t id, struct span key, struct span value)
{
    (void)value;
    if (!links_have(v, id) && !numbers_have(&v->garbage, id))
        verify_finding(v, "a record of tag %c is of inode %lu, which is missing", key.ptr[0], id);
    return 0;
}

/* ---- sums ---- */

/* Each inode has as many names as its link count says. */
static void check_links(struct verify *v)
{
    const struct links *links = (const struct links *)(const void *)v->links.ptr;
    size_t at = 0, names = numbers_count(&v->names);
    for (size_t i = 0; i < v->links.len / sizeof(*links); i++) {
        uint64_t count = 0;
        for (; at < names && numbers_at(&v->names, at) <= links[i].ino; at++)
            count += numbers_at(&v->names, at) == links[i].ino;
        if (count != links[i].names)
            verify_finding(v, "inode %lu has %lu names instead of %lu", links[i].ino, count, links[i].names);
    }
}

/* Each blob has as many references as extents. */
static int check_blobs(struct verify *v)
{
    uint64_t id = 0;
    uint32_t refs;
    size_t at = 0, extents = numbers_count(&v->blobs);
    int r;
    for (; (r = blob_next(v->txn->index, id, &id, &refs)) == 0; id++) {
        uint64_t count = 0;
        for (; at < extents && numbers_at(&v->blobs, at) <= id; at++) {
            if (numbers_at(&v->blobs, at) == id)
                count++;
            else
                verify_finding(v, "an extent names blob %lu, which is missing", numbers_at(&v->blobs, at));
        }
        if (count != refs)
            verify_finding(v, "blob %lu has %u references and %lu extents", id, refs, count);
    }
    for (; at < extents; at++)
        verify_finding(v, "an extent names blob %lu, which is missing", numbers_at(&v->blobs, at));
    return r == -ENOENT ? 0 : r;
}

static int check_counters(struct verify *v)
{
    struct counters counters;
    int r = counters_read(v->txn->index, &counters);
    if (r < 0)
        return r;
    if (counters.inodes != v->inodes)
        verify_finding(v, "there are %lu inodes, and %lu are counted", v->inodes, counters.inodes);
    if (counters.next_ino <= v->greatest)
        verify_finding(v, "the next number is %lu, but %lu is in use", counters.next_ino, v->greatest);
    if (v->entries != 0)
        verify_finding(v, "%lu entries are in no directory", -v->entries);
    return 0;
}

static int verify_run(struct verify *v)
{
    static const struct {
        enum ns_tag tag;
        verify_record *fn;
        size_t sort; /* what is complete then, and looked into by the next ones */
    } rows[] = {
        {TAG_GARBAGE, check_garbage, offsetof(struct verify, garbage)},
        {TAG_DENTRY, check_dentry, offsetof(struct verify, uploads)},
        {TAG_UPLOAD, check_upload, 0},
        {TAG_PART, check_part, offsetof(struct verify, bodies)},
        {TAG_EXTENT, check_extent, offsetof(struct verify, blobs)},
        {TAG_XATTR, check_of_inode, 0},
        {TAG_PARTS, check_of_inode, 0},
        {TAG_ORPHAN, check_of_inode, 0},
    };
    int r = verify_inodes(v);
    for (size_t i = 0; r == 0 && i < sizeof(rows) / sizeof(*rows); i++) {
        r = verify_each(v, rows[i].tag, rows[i].fn);
        if (rows[i].sort)
            numbers_sort((struct buf *)(void *)((char *)v + rows[i].sort));
    }
    if (r < 0)
        return r;
    if (v->upload_records != numbers_count(&v->uploads))
        verify_finding(v, "there are %lu uploads and %zu entries of uploads", v->upload_records,
                       numbers_count(&v->uploads));
    numbers_sort(&v->names);
    check_links(v);
    r = check_blobs(v);
    return r < 0 ? r : check_counters(v);
}

int64_t ns_verify(struct ns *ns, ns_report *report, void *arg)
{
    struct verify v = {.report = report, .arg = arg};
    int r = ns_view_begin(ns, &v.txn);
    if (r < 0)
        return r;
    r = verify_run(&v);
    ns_view_end(&v.txn);
    struct buf *const all[] = {&v.links, &v.names, &v.bodies, &v.uploads, &v.garbage, &v.blobs};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        buf_release(all[i]);
    return r < 0 ? r : v.findings;
}

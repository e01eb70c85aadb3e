#include "server/s3/handlers.h"
#include "server/s3/put.h"

#include "objstore/base/clock.h"
#include "server/wire/date.h"
#include "server/wire/xml_in.h"

/*
 * DeleteObject and DeleteObjects. A key that is not there counts as deleted, as S3 has it. DeleteObjects works in
 * batches of one mutation each: every key is checked before it is changed, so one that fails leaves the others of its
 * batch as they are, and one commit serves them all.
 */
#define BATCH 100 /* keys of one mutation: a mutation must be short */

/* What must hold of the object for it to go; a zeroed one asks for nothing. Size and time hold of an object that is not
 * there, a tag does not. */
struct delete_cond {
    struct span etag; /* .ptr NULL: any */
    bool has_mtime, has_size;
    int64_t mtime; /* in whole seconds */
    uint64_t size;
};

static int check_delete(const struct inode *current, void *arg)
{
    const struct delete_cond *cond = arg;
    char etag[INODE_ETAG_MAX];
    if (!current)
        return cond->etag.ptr ? CAIRN_EPRECONDITION : 0;
    inode_etag(current, etag);
    bool holds = (!cond->etag.ptr || etag_in_list(cond->etag, span_cstr(etag), true)) &&
                 (!cond->has_mtime || cond->mtime / NS_PER_SEC == current->mtime / NS_PER_SEC) &&
                 (!cond->has_size || cond->size == current->size);
    return holds ? 0 : CAIRN_EPRECONDITION;
}

static int read_cond(struct s3_call *call, struct span etag, struct span mtime, struct span size,
                     struct delete_cond *ret_cond)
{
    struct delete_cond cond = {.etag = etag, .has_mtime = mtime.ptr != NULL, .has_size = size.ptr != NULL};
    if (mtime.ptr && date_parse_http(mtime, call->request->now, &cond.mtime) < 0 &&
        date_parse_iso(mtime, &cond.mtime) < 0)
        return s3_bad_argument(call, "LastModifiedTime", mtime, "The time is not valid.");
    if (size.ptr && span_to_u64(size, &cond.size) < 0)
        return s3_bad_argument(call, "Size", size, "The size is not valid.");
    *ret_cond = cond;
    return 0;
}

struct delete_job {
    struct s3_call *call;
    struct delete_cond cond;
};

static int delete_object(struct ns_txn *txn, void *arg)
{
    struct delete_job *job = arg;
    struct inode bucket;
    int ret = s3_find_bucket(job->call, txn, &bucket);
    return ret < 0 ? ret : ns_key_delete(txn, bucket.ino, job->call->key, check_delete, &job->cond);
}

int s3_delete_object(struct s3_call *call)
{
    struct delete_job job = {.call = call};
    if (s3_header(call, "if-none-match").ptr || s3_header(call, "if-unmodified-since").ptr)
        return S3_NOT_IMPLEMENTED;
    int ret = s3_check_version_id(call, s3_query(call, "versionId"));
    if (ret == 0)
        ret = read_cond(call, s3_header(call, "if-match"), s3_header(call, "x-amz-if-match-last-modified-time"),
                        s3_header(call, "x-amz-if-match-size"), &job.cond);
    if (ret == 0)
        ret = s3_apply(call, delete_object, &job);
    return ret < 0 && ret != CAIRN_ENOKEY ? ret : s3_reply_empty(call, 204);
}

/* ---- DeleteObjects ---- */

struct victim {
    struct span key, version;
    struct delete_cond cond;
    int result;
};

struct batch {
    struct s3_call *call;
    struct victim *victims;
    size_t count;
};

static int read_victim(struct s3_call *call, const struct xml_node *object, struct victim *ret_victim)
{
    struct victim victim = {.key = xml_child_exact(object, "Key"), .version = xml_child_text(object, "VersionId")};
    if (!victim.key.len)
        return S3_MALFORMED_XML;
    int ret = read_cond(call, xml_child_text(object, "ETag"), xml_child_text(object, "LastModifiedTime"),
                        xml_child_text(object, "Size"), &victim.cond);
    if (ret == 0)
        *ret_victim = victim;
    return ret;
}

static int read_victims(struct s3_call *call, const struct xml_node *root, struct victim **ret_victims,
                        size_t *ret_count)
{
    struct victim *victims = arena_zalloc(&call->request->arena, S3_DELETE_MAX, sizeof(*victims));
    size_t count = 0;
    if (!victims)
        return -ENOMEM;
    for (const struct xml_node *object = xml_child(root, "Object"); object; object = xml_again(object)) {
        int ret = count == S3_DELETE_MAX ? S3_MALFORMED_XML : read_victim(call, object, &victims[count++]);
        if (ret < 0)
            return ret;
    }
    if (count == 0)
        return S3_MALFORMED_XML;
    *ret_victims = victims;
    *ret_count = count;
    return 0;
}

static int delete_batch(struct ns_txn *txn, void *arg)
{
    struct batch *batch = arg;
    struct inode bucket;
    int ret = s3_find_bucket(batch->call, txn, &bucket);
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < batch->count; i++) {
        struct victim *victim = &batch->victims[i];
        if (victim->result != S3_ACCESS_DENIED && victim->result != S3_NO_SUCH_VERSION)
            victim->result = ns_key_delete(txn, bucket.ino, victim->key, check_delete, &victim->cond);
    }
    return 0;
}

static void authorize_victims(struct s3_call *call, struct victim *victims, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (s3_may(call, call->op->action, call->bucket, victims[i].key) < 0)
            victims[i].result = S3_ACCESS_DENIED;
        else if (victims[i].version.len && !span_is(victims[i].version, "null"))
            victims[i].result = S3_NO_SUCH_VERSION;
    }
}

static int delete_all(struct s3_call *call, struct victim *victims, size_t count)
{
    authorize_victims(call, victims, count);
    for (size_t at = 0; at < count; at += BATCH) {
        struct batch batch = {call, victims + at, count - at < BATCH ? count - at : BATCH};
        int ret = s3_apply(call, delete_batch, &batch);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static void write_victim(struct buf *xml, const struct victim *victim, bool quiet)
{
    bool gone = victim->result == 0 || victim->result == CAIRN_ENOKEY;
    if (gone && quiet)
        return;
    xml_open(xml, gone ? "Deleted" : "Error");
    xml_span(xml, "Key", victim->key);
    if (victim->version.len)
        xml_span(xml, "VersionId", victim->version);
    if (!gone) {
        const struct s3_error_row *row = s3_error_row(victim->result);
        xml_cstr(xml, "Code", row->code);
        xml_cstr(xml, "Message", row->message);
    }
    xml_close(xml, gone ? "Deleted" : "Error");
}

static int reply_victims(struct s3_call *call, const struct victim *victims, size_t count, bool quiet)
{
    struct buf xml = BUF_INIT;
    xml_begin(&xml, "DeleteResult", XML_S3_NS);
    for (size_t i = 0; i < count; i++)
        write_victim(&xml, &victims[i], quiet);
    xml_close(&xml, "DeleteResult");
    return s3_reply_xml(call, &xml);
}

/* S3 wants this document's digest: it is the only guard against losing the wrong objects to a flipped bit. */
static int check_digest_stated(struct s3_call *call)
{
    struct checksum_claim claim;
    int ret = checksum_claim_read(call, &claim);
    return ret == 0 && !claim.has_md5 && claim.hash == HASH_NONE ? S3_MISSING_CONTENT_MD5 : ret;
}

int s3_delete_objects(struct s3_call *call)
{
    const struct xml_node *root = NULL;
    struct victim *victims = NULL;
    size_t count = 0;
    int ret = check_digest_stated(call);
    if (ret == 0)
        ret = s3_read_xml(call, "Delete", S3_DIGESTS_OF_BODY, &root);
    if (ret == 0)
        ret = root ? read_victims(call, root, &victims, &count) : S3_MISSING_REQUEST_BODY;
    if (ret == 0)
        ret = delete_all(call, victims, count);
    if (ret < 0)
        return ret;
    return reply_victims(call, victims, count, span_eq_nocase(xml_child_text(root, "Quiet"), SPAN_LIT("true")));
}

#include "server/s3/list.h"

#include "server/wire/uri.h"

/* ---- pure pieces ---- */

struct span list_common_prefix(struct span key, struct span prefix, struct span delimiter)
{
    struct span rest = span_from(key, prefix.len);
    const char *at = delimiter.len && rest.len ? memmem(rest.ptr, rest.len, delimiter.ptr, delimiter.len) : NULL;
    return at ? span_head(key, (size_t)(at - key.ptr) + delimiter.len) : SPAN_EMPTY;
}

struct span list_behind(struct span s, char *ret)
{
    while (s.len && (unsigned char)s.ptr[s.len - 1] == 0xff)
        s.len--;
    if (!s.len)
        return SPAN_EMPTY;
    memcpy(ret, s.ptr, s.len);
    ret[s.len - 1]++;
    return span_make(ret, s.len);
}

int list_query_read(struct s3_call *call, const char *max_parameter, struct list_query *ret_query)
{
    struct list_query query = {.prefix = s3_query(call, "prefix"), .delimiter = s3_query(call, "delimiter")};
    struct span encoding = s3_query(call, "encoding-type");
    query.url = span_eq_nocase(encoding, SPAN_LIT("url"));
    if (encoding.len && !query.url)
        return s3_bad_argument(call, "encoding-type", encoding, "Invalid Encoding Method specified in Request");
    int ret = s3_query_count(call, max_parameter, S3_PAGE_MAX, S3_PAGE_MAX, &query.max);
    if (ret == 0)
        *ret_query = query;
    return ret;
}

void list_page_release(struct list_page *page)
{
    buf_release(&page->entries);
    buf_release(&page->prefixes);
    buf_release(&page->last);
}

/* ---- XML ---- */

void list_xml_key(struct buf *xml, const struct list_query *query, const char *name, struct span key)
{
    if (!query->url) {
        xml_span(xml, name, key);
        return;
    }
    xml_open(xml, name);
    uri_encode_buf(key, URI_PATH, xml);
    xml_close(xml, name);
}

void list_xml_prefix(struct buf *xml, const struct list_query *query, struct span prefix)
{
    xml_open(xml, "CommonPrefixes");
    list_xml_key(xml, query, "Prefix", prefix);
    xml_close(xml, "CommonPrefixes");
}

void list_xml_page(struct buf *xml, const struct list_page *page)
{
    buf_add_span(xml, buf_span(&page->entries));
    buf_add_span(xml, buf_span(&page->prefixes));
}

void list_xml_query(struct buf *xml, const struct list_query *query)
{
    if (query->delimiter.len)
        list_xml_key(xml, query, "Delimiter", query->delimiter);
    if (query->url)
        xml_cstr(xml, "EncodingType", "url");
}

/* ---- the walk ---- */

struct lister {
    struct s3_call *call;
    const struct list_query *query;
    list_entry *entry;
    struct list_page *page;
    struct ns_walk *walk;
};

static int page_failed(const struct list_page *page)
{
    return page->entries.failed    ? page->entries.failed
           : page->prefixes.failed ? page->prefixes.failed
                                   : page->last.failed;
}

/* Past all keys that roll up into prefix, without a look at them. 1 when nothing can come after. */
static int skip_prefix(struct lister *lister, struct span prefix)
{
    struct buf room = BUF_INIT;
    int ret = buf_reserve(&room, prefix.len);
    if (ret == 0) {
        struct span behind = list_behind(prefix, room.ptr);
        ret = behind.ptr ? ns_walk_seek(lister->walk, behind) : 1;
    }
    buf_release(&room);
    return ret;
}

/* To the first key that may be told: what is rolled up into a common prefix at or before `after` was told before. */
static int start(struct lister *lister)
{
    const struct list_query *query = lister->query;
    struct span after = query->after;
    if (!after.len || span_cmp(after, query->prefix) < 0)
        return 0;
    struct span told =
        span_starts(after, query->prefix) ? list_common_prefix(after, query->prefix, query->delimiter) : SPAN_EMPTY;
    return told.ptr ? skip_prefix(lister, told) : ns_walk_seek(lister->walk, after);
}

static void tell(struct lister *lister, struct span key, struct span common, const struct inode *inode)
{
    struct list_page *page = lister->page;
    if (common.ptr)
        list_xml_prefix(&page->prefixes, lister->query, common);
    else
        lister->entry(lister->call, &page->entries, lister->query, key, inode);
    if (++page->count == lister->query->max) {
        buf_clear(&page->last);
        buf_add_span(&page->last, common.ptr ? common : key);
    }
}

/* One key or common prefix. 1 when the page is at its end. */
static int step(struct lister *lister)
{
    const struct list_query *query = lister->query;
    struct span key;
    struct inode inode;
    int ret = ns_walk_next(lister->walk, &key, &inode);
    if (ret < 0)
        return ret == CAIRN_ENOKEY ? 1 : ret;
    if (query->after.len && span_eq(key, query->after))
        return 0;
    if (lister->page->count == query->max) {
        lister->page->truncated = true;
        return 1;
    }
    struct span common = list_common_prefix(key, query->prefix, query->delimiter);
    tell(lister, key, common, &inode);
    ret = page_failed(lister->page);
    return ret < 0 || !common.ptr ? ret : skip_prefix(lister, common);
}

static int walk_page(struct lister *lister, struct ns_txn *txn)
{
    struct inode bucket;
    int ret = s3_find_bucket(lister->call, txn, &bucket);
    if (ret < 0 || lister->query->max == 0)
        return ret;
    ret = ns_walk_open(txn, bucket.ino, lister->query->prefix, &lister->walk);
    if (ret < 0)
        return ret;
    ret = start(lister);
    while (ret == 0)
        ret = step(lister);
    ns_walk_close(&lister->walk);
    return ret < 0 ? ret : 0;
}

int list_run(struct s3_call *call, const struct list_query *query, list_entry *entry, struct list_page *page)
{
    struct lister lister = {call, query, entry, page, NULL};
    struct ns_txn *txn;
    int ret = s3_view_begin(call, &txn);
    if (ret < 0)
        return ret;
    ret = walk_page(&lister, txn);
    ns_view_end(&txn);
    return ret;
}

#include "server/s3/headers.h"

#define META_PREFIX "x-amz-meta-"
#define META_PREFIX_LEN (sizeof(META_PREFIX) - 1)
#define DEFAULT_TYPE "binary/octet-stream"

/* Headers that are kept as they are, and the parameters of GET that override them. */
enum {
    CONTENT_TYPE,
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    EXPIRES,
    WEBSITE_REDIRECT, /* of the placement from here on */
    STORAGE_CLASS,
    KEPT
};
static const struct {
    const char *name;
    const char *reply; /* as it is written in a reply */
    const char *override;
} kept[KEPT] = {
    [CONTENT_TYPE] = {"content-type", "Content-Type", "response-content-type"},
    [CACHE_CONTROL] = {"cache-control", "Cache-Control", "response-cache-control"},
    [CONTENT_DISPOSITION] = {"content-disposition", "Content-Disposition", "response-content-disposition"},
    [CONTENT_ENCODING] = {"content-encoding", "Content-Encoding", "response-content-encoding"},
    [CONTENT_LANGUAGE] = {"content-language", "Content-Language", "response-content-language"},
    [EXPIRES] = {"expires", "Expires", "response-expires"},
    [WEBSITE_REDIRECT] = {"x-amz-website-redirect-location", "x-amz-website-redirect-location", NULL},
    [STORAGE_CLASS] = {STORAGE_CLASS_HEADER, STORAGE_CLASS_HEADER, NULL},
};

/* All of AWS's: this store has one class, and gives the name back. */
static const char *const storage_classes[] = {"STANDARD",       "REDUCED_REDUNDANCY",  "STANDARD_IA", "ONEZONE_IA",
                                              "GLACIER",        "INTELLIGENT_TIERING", "GLACIER_IR",  "DEEP_ARCHIVE",
                                              "EXPRESS_ONEZONE"};

/* ---- request → attributes ---- */

/* aws-chunked is of the transfer, not of the object. */
static struct span without_aws_chunked(struct s3_call *call, struct span list)
{
    struct span out = SPAN_EMPTY;
    while (list.ptr) {
        struct span token = span_trim(span_cut(&list, ','));
        if (!token.len || span_eq_nocase(token, SPAN_LIT("aws-chunked")))
            continue;
        out = out.len ? arena_printf(&call->request->arena, SPAN_FMT ", " SPAN_FMT, SPAN_ARG(out), SPAN_ARG(token))
                      : token;
    }
    return out;
}

static int check_storage_class(struct span name)
{
    for (size_t i = 0; i < sizeof(storage_classes) / sizeof(*storage_classes); i++)
        if (span_is(name, storage_classes[i]))
            return 0;
    return S3_INVALID_STORAGE_CLASS;
}

static int add_kept(struct s3_call *call, size_t which, struct buf *attrs)
{
    const char *name = kept[which].name;
    struct span value = s3_header(call, name);
    if (which == CONTENT_ENCODING && value.ptr)
        value = without_aws_chunked(call, value);
    return value.len ? attrs_add(attrs, ATTR_HEADER, span_cstr(name), value) : 0;
}

static bool is_redirect(struct span location)
{
    return span_starts(location, SPAN_LIT("/")) || span_starts(location, SPAN_LIT("http://")) ||
           span_starts(location, SPAN_LIT("https://"));
}

int headers_placement_to_attrs(struct s3_call *call, struct buf *attrs)
{
    struct span class = s3_header(call, STORAGE_CLASS_HEADER);
    if (class.ptr && check_storage_class(class) < 0)
        return S3_INVALID_STORAGE_CLASS;
    struct span location = s3_header(call, kept[WEBSITE_REDIRECT].name);
    if (location.ptr && !is_redirect(location))
        return S3_INVALID_REDIRECT;
    int ret = add_kept(call, WEBSITE_REDIRECT, attrs);
    if (ret < 0 || !class.ptr || span_is(class, "STANDARD"))
        return ret;
    return add_kept(call, STORAGE_CLASS, attrs);
}

bool headers_is_placement(const struct attr *attr)
{
    return attr->tag == ATTR_HEADER &&
           (span_is(attr->name, STORAGE_CLASS_HEADER) || span_is(attr->name, kept[WEBSITE_REDIRECT].name) ||
            span_is(attr->name, UPLOAD_ID_ATTR));
}

static struct span lower(struct arena *arena, struct span s)
{
    struct span copy = arena_dup(arena, s);
    for (size_t i = 0; copy.ptr && i < copy.len; i++) {
        char *c = (char *)&copy.ptr[i];
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 'a' - 'A');
    }
    return copy;
}

static bool is_meta(struct span header)
{
    return span_eq_nocase(span_head(header, META_PREFIX_LEN), SPAN_LIT(META_PREFIX));
}

static bool seen_before(const struct http_head *head, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (span_eq_nocase(head->headers[i].name, head->headers[index].name))
            return true;
    return false;
}

static int add_meta(struct s3_call *call, struct buf *attrs)
{
    const struct http_head *head = &call->request->head;
    size_t total = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        struct span name = head->headers[i].name;
        if (!is_meta(name) || seen_before(head, i))
            continue;
        struct span key = lower(&call->request->arena, span_from(name, META_PREFIX_LEN));
        struct span value = http_head_list(head, name, &call->request->arena);
        if (!key.ptr || !value.ptr)
            return -ENOMEM;
        total += key.len + value.len;
        int ret = total > S3_METADATA_MAX ? S3_METADATA_TOO_LARGE : attrs_add(attrs, ATTR_META, key, value);
        if (ret < 0)
            return ret;
    }
    return 0;
}

int headers_to_attrs(struct s3_call *call, struct buf *attrs)
{
    for (size_t i = 0; i < WEBSITE_REDIRECT; i++) {
        int ret = add_kept(call, i, attrs);
        if (ret < 0)
            return ret;
    }
    return add_meta(call, attrs);
}

/* ---- what is asked for in vain ---- */

static int check_encryption(struct s3_call *call)
{
    struct span algorithm = s3_header(call, "x-amz-server-side-encryption");
    if (algorithm.ptr && !span_is(algorithm, "AES256") && !span_is(algorithm, "aws:kms") &&
        !span_is(algorithm, "aws:kms:dsse"))
        return s3_bad_argument(call, "x-amz-server-side-encryption", algorithm,
                               "The encryption method specified is not supported");
    if (algorithm.ptr)
        return s3_fail(call, S3_NOT_IMPLEMENTED, "Server-side encryption is not implemented.");
    return headers_check_read(call);
}

int headers_check_read(struct s3_call *call)
{
    static const char *const customer[] = {
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-server-side-encryption-customer-key-md5",
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
    };
    for (size_t i = 0; i < sizeof(customer) / sizeof(*customer); i++)
        if (s3_header(call, customer[i]).ptr)
            return s3_fail(call, S3_NOT_IMPLEMENTED, "Server-side encryption is not implemented.");
    return 0;
}

static int check_acl(struct s3_call *call)
{
    static const char *const grants[] = {"x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp",
                                         "x-amz-grant-write", "x-amz-grant-write-acp"};
    static const char *const others[] = {"public-read", "public-read-write", "authenticated-read", "aws-exec-read",
                                         "log-delivery-write"};
    struct span acl = s3_header(call, "x-amz-acl");
    for (size_t i = 0; acl.ptr && i < sizeof(others) / sizeof(*others); i++)
        if (span_is(acl, others[i]))
            return S3_ACL_NOT_SUPPORTED;
    if (acl.ptr && !span_is(acl, "private") && !span_is(acl, "bucket-owner-full-control") &&
        !span_is(acl, "bucket-owner-read"))
        return s3_bad_argument(call, "x-amz-acl", acl, "The canned ACL is not valid.");
    for (size_t i = 0; i < sizeof(grants) / sizeof(*grants); i++)
        if (s3_header(call, grants[i]).ptr)
            return S3_ACL_NOT_SUPPORTED;
    return 0;
}

int headers_check_write(struct s3_call *call)
{
    int ret = check_encryption(call);
    if (ret == 0)
        ret = check_acl(call);
    if (ret == 0 &&
        (s3_header(call, "x-amz-object-lock-mode").ptr || s3_header(call, "x-amz-object-lock-retain-until-date").ptr ||
         span_is(s3_header(call, "x-amz-object-lock-legal-hold"), "ON")))
        return S3_NO_OBJECT_LOCK;
    return ret;
}

/* ---- attributes → reply ---- */

static int reply_kept(struct s3_call *call, size_t which, struct span value)
{
    struct span override = kept[which].override ? s3_query(call, kept[which].override) : SPAN_EMPTY;
    if (override.len)
        value = override;
    if (!value.len)
        return 0;
    int ret = http_reply_header(call->request, kept[which].reply, value);
    return ret == -EINVAL && override.len
               ? s3_bad_argument(call, kept[which].override, override, "Invalid header value")
               : ret;
}

static int reply_meta(struct s3_call *call, const struct attr *attr)
{
    char name[META_PREFIX_LEN + S3_METADATA_MAX + 1];
    if (attr->name.len > S3_METADATA_MAX)
        return 0;
    memcpy(name, META_PREFIX, META_PREFIX_LEN);
    memcpy(name + META_PREFIX_LEN, attr->name.ptr, attr->name.len);
    name[META_PREFIX_LEN + attr->name.len] = '\0';
    return http_reply_header(call->request, name, attr->value);
}

static int reply_all_kept(struct s3_call *call, struct span attrs)
{
    int ret = 0;
    for (size_t i = 0; i < KEPT && ret >= 0; i++) {
        struct span value = i == CONTENT_TYPE ? SPAN_LIT(DEFAULT_TYPE) : SPAN_EMPTY;
        attrs_find(attrs, ATTR_HEADER, span_cstr(kept[i].name), &value);
        ret = reply_kept(call, i, value);
    }
    return ret;
}

int headers_reply(struct s3_call *call, const struct inode *inode)
{
    int ret = reply_all_kept(call, inode->attrs);
    unsigned tags = 0;
    struct span rest = inode->attrs;
    struct attr attr;
    while (ret >= 0 && attrs_next(&rest, &attr) > 0) {
        tags += attr.tag == ATTR_TAG;
        if (attr.tag == ATTR_META)
            ret = reply_meta(call, &attr);
    }
    if (ret >= 0 && tags)
        ret = http_reply_header_fmt(call->request, "x-amz-tagging-count", "%u", tags);
    return ret;
}

int headers_reply_not_modified(struct s3_call *call, const struct inode *inode)
{
    static const int which[] = {CACHE_CONTROL, EXPIRES};
    int ret = 0;
    for (size_t i = 0; i < sizeof(which) / sizeof(*which) && ret >= 0; i++) {
        struct span value;
        if (attrs_find(inode->attrs, ATTR_HEADER, span_cstr(kept[which[i]].name), &value))
            ret = http_reply_header(call->request, kept[which[i]].reply, value);
    }
    return ret;
}

struct span headers_storage_class(struct span attrs)
{
    struct span value;
    return attrs_find(attrs, ATTR_HEADER, SPAN_LIT(STORAGE_CLASS_HEADER), &value) ? value : SPAN_LIT("STANDARD");
}

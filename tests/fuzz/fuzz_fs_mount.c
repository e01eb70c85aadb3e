/*
 * A mount and a server that does not keep to the dialect: what comes instead of its replies, its listings and its push
 * stream must end in an error of the call, or be shown as it is. The kernel's side is fuse_kernel.h's.
 *
 * The input is a list of items, each a length, a byte that says what it is, and so many bytes: a request of the kernel
 * (struct kernel_call), or what the server does when an operation comes up next (struct rule). Else the server answers
 * as it should, for files that are what their names say.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "fs/listing.h"
#include "fs/notify.h"
#include "fs/s3/reply.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fuse_kernel.h"

enum { RULES = 32, CALLS = 40, ROOT = POSIX_DIR << 8 };
enum { CODE_GET = 0xf0, CODE_PUT, CODE_PUSH }; /* what is no compound */

/* What is done to a whole reply, and to the result of one operation. */
enum action { PATCH, CUT, BODY, STATUS, WIRE, BREAK, FAIL, DATA, ENTRIES, FIELD, ACTIONS, RESULTS_FROM = FAIL };

struct rule {
    uint8_t code;
    enum action action;
    struct span bytes;
    bool used;
};

static struct {
    pthread_mutex_t lock;
    struct rule rules[RULES]; /* lock */
    size_t count;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};
static char contents[POSIX_READ_MAX];

/* The first rule for that code that was not used yet. */
static bool rule_take(unsigned code, bool of_result, struct rule *ret_rule)
{
    bool found = false;
    pthread_mutex_lock(&server.lock);
    for (size_t i = 0; i < server.count && !found; i++) {
        struct rule *r = &server.rules[i];
        found = !r->used && r->code == code && (r->action >= RESULTS_FROM) == of_result;
        if (found) {
            r->used = true;
            *ret_rule = *r;
        }
    }
    pthread_mutex_unlock(&server.lock);
    return found;
}

/* Little-endian bytes of the input; what is missing is 0. */
static uint64_t take_number(struct span *rest, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= i < rest->len ? (uint64_t)(uint8_t)rest->ptr[i] << 8 * i : 0;
    *rest = span_from(*rest, size);
    return value;
}

/* ---- the files there are ---- */

/* "da" is a directory, "fa" a file, and so on; a file's size is 2 to the power that its second letter says. */
static uint64_t ino_of(struct span name)
{
    static const char letters[] = " fdlpscb";
    const char *type = name.len ? strchr(letters + 1, name.ptr[0]) : NULL;
    uint8_t second = name.len > 1 ? (uint8_t)name.ptr[1] : 0;
    return (uint64_t)(type && *type ? type - letters : POSIX_FILE) << 8 | second;
}

static struct posix_attr attr_of(uint64_t ino)
{
    uint32_t type = (uint32_t)(ino >> 8) & 7;
    struct posix_attr attr = {.ino = ino, .version = 1, .mode = 0644, .nlink = 1, .mtime = 1, .type = type};
    if (type == POSIX_FILE)
        attr.size = attr.blocks = 1ull << (ino & 31);
    if (type == POSIX_DIR)
        attr.parent = ROOT;
    return attr;
}

static struct span contents_of(uint64_t ino, uint64_t off, uint64_t len)
{
    uint64_t size = attr_of(ino).size;
    size = off < size ? size - off : 0;
    len = len < size ? len : size;
    return span_make(contents, len < sizeof(contents) ? len : sizeof(contents));
}

/* ---- results ---- */

static void add_entry(struct buf *out, struct span name, uint64_t ino, unsigned flags)
{
    struct posix_entry entry = {.ino = ino,
                                .type = (uint32_t)(ino >> 8) & 7,
                                .has_attr = flags & 1,
                                .has_body = flags & 2,
                                .name = name,
                                .attr = attr_of(ino),
                                .body = SPAN_LIT("body")};
    if (out->len + posix_entry_size(&entry) < POSIX_REPLY_MAX - 512)
        posix_entry_add(out, &entry);
}

/* Groups of entries: type, flags, how many, length of their names, first letter. */
static void add_groups(struct buf *out, struct span groups, uint32_t *ret_flags)
{
    char name[POSIX_NAME_MAX + 1];
    *ret_flags = 0;
    while (groups.len) {
        uint64_t type = take_number(&groups, 1), flags = take_number(&groups, 1), count = take_number(&groups, 1);
        size_t len = take_number(&groups, 1);
        int letter = (int)take_number(&groups, 1);
        *ret_flags |= flags & 4 ? POSIX_READDIR_EOF : 0;
        count <<= flags >> 5;
        for (uint64_t i = 0; i < count && out->len < LISTING_PAGE; i++) {
            memset(name, '-', sizeof(name));
            snprintf(name, 16, "%c%07u", letter, (unsigned)i);
            add_entry(out, span_make(name, len), type << 8 | (i & 0xff), (unsigned)flags);
        }
    }
}

static void answer_listing(const struct posix_op *op, struct posix_result *result, struct buf *scratch)
{
    static const char *const names[] = {"da", "fa", "fp", "lb"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !op->name.len; i++)
        add_entry(scratch, span_cstr(names[i]), ino_of(span_cstr(names[i])), op->flags & POSIX_READDIR_ATTRS);
    result->flags = POSIX_READDIR_EOF;
    result->data = buf_span(scratch);
}

static void answer(const struct posix_op *op, uint64_t *current, struct posix_result *result, struct buf *scratch)
{
    uint64_t ino = op->ino ? op->ino : *current;
    switch (op->code) {
    case POSIX_GETROOT:
        ino = ROOT;
        break;
    case POSIX_LOOKUP:
        if (span_starts(op->name, SPAN_LIT("-")))
            result->status = ENOENT;
        ino = ino_of(op->name);
        break;
    case POSIX_CREATE:
    case POSIX_MKDIR:
    case POSIX_SYMLINK:
    case POSIX_MKNOD:
        ino = ino_of(op->name);
        break;
    case POSIX_SESSION_OPEN:
        *result = (struct posix_result){.code = op->code, .value = 3, .count = 60000, .flags = POSIX_OPENED_ANEW};
        break;
    case POSIX_READLINK:
    case POSIX_GETXATTR:
        result->data = SPAN_LIT("da/fb");
        break;
    case POSIX_LISTXATTR:
        result->data = SPAN_LIT("user.a\0user.b\0");
        break;
    case POSIX_READDIR:
        answer_listing(op, result, scratch);
        break;
    case POSIX_READ:
        result->data = contents_of(ino, op->off, op->len);
        break;
    case POSIX_STATFS:
        result->total = result->free = 1 << 30;
        break;
    case POSIX_SEEK:
    case POSIX_WRITE:
        result->value = op->off;
        break;
    case POSIX_COPY:
        result->value = op->len;
        break;
    }
    result->attr = attr_of(ino);
    *current = ino;
}

static void set_field(struct posix_result *result, struct span rest)
{
    uint8_t which = (uint8_t)take_number(&rest, 1);
    uint64_t value = take_number(&rest, 8);
    struct posix_attr *a = &result->attr;
    uint64_t *const longs[] = {&a->ino,        &a->version,     &a->size,
                               &a->blocks,     &a->parent,      (uint64_t *)&a->mtime,
                               &result->value, &result->events, &result->total};
    uint32_t *const words[] = {&a->mode, &a->nlink, &a->type, &a->uid, &result->flags, &result->count};
    enum { LONGS = sizeof(longs) / sizeof(longs[0]), WORDS = sizeof(words) / sizeof(words[0]) };
    which %= LONGS + WORDS;
    if (which < LONGS)
        *longs[which] = value;
    else
        *words[which - LONGS] = (uint32_t)value;
}

static void bend_result(const struct rule *rule, struct posix_result *result, struct buf *scratch)
{
    struct span rest = rule->bytes;
    switch (rule->action) {
    case FAIL:
        result->status = (uint16_t)take_number(&rest, 2);
        break;
    case DATA:
        result->data = rest;
        break;
    case ENTRIES:
        buf_clear(scratch);
        add_groups(scratch, rest, &result->flags);
        result->data = buf_span(scratch);
        break;
    default:
        set_field(result, rest);
        break;
    }
}

/* Every operation until one fails. */
static void answer_compound(struct span request, struct buf *body, unsigned *ret_code)
{
    struct posix_request head;
    struct posix_op op;
    struct span ops;
    struct rule rule;
    uint64_t current = 0;
    FUZZ_CHECK(posix_request_decode(request, &head, &ops) == 0 && head.count > 0);
    *ret_code = get_le16(ops.ptr);
    posix_reply_begin(body, &(struct posix_reply){.instance = 7, .sequence = head.sequence});
    while (ops.len) {
        struct buf scratch = BUF_INIT;
        FUZZ_CHECK(posix_op_next(&ops, &op) == 1);
        struct posix_result result = {.code = op.code};
        answer(&op, &current, &result, &scratch);
        if (rule_take(op.code, true, &rule))
            bend_result(&rule, &result, &scratch);
        FUZZ_CHECK(posix_result_add(body, &result) == 0);
        buf_release(&scratch);
        if (result.status && !(op.marks & POSIX_OP_CONTINUE))
            break;
    }
}

/* ---- replies ---- */

/* What a reply consists of before it is put on the wire. */
struct made {
    int error; /* instead of a reply */
    unsigned status;
    uint64_t version, size;
    struct buf body;
    struct span wire; /* all of it, if not empty */
};

static void bend(const struct rule *rule, struct made *m)
{
    static const int errors[] = {-ECONNREFUSED, -ECONNRESET,   -ETIMEDOUT, -EPROTO,
                                 -EINTR,        -EHOSTUNREACH, -ENOMEM,    -EKEYREJECTED};
    struct span rest = rule->bytes;
    size_t at = take_number(&rest, rule->action == BODY || rule->action == WIRE ? 0 : 2);
    switch (rule->action) {
    case PATCH:
        for (size_t i = 0; i < rest.len && at + i < m->body.len; i++)
            m->body.ptr[at + i] = rest.ptr[i];
        break;
    case CUT:
        m->body.len = at < m->body.len ? at : m->body.len;
        break;
    case BODY:
        buf_clear(&m->body);
        buf_add_span(&m->body, rest);
        break;
    case STATUS:
        if (m->body.len >= POSIX_REPLY_HEAD)
            put_le16(m->body.ptr + 6, (uint16_t)at);
        m->version = take_number(&rest, 8);
        m->size = take_number(&rest, 8);
        break;
    case WIRE:
        m->wire = rest;
        break;
    default:
        m->error = errors[at % (sizeof(errors) / sizeof(errors[0]))];
        break;
    }
}

/* Hands bytes to the client as if they came from a connection that ends behind them. */
static int receive(const struct s3_request *request, struct s3_response *response, struct span wire)
{
    struct reply reply;
    int r = 0;
    reply_begin(&reply, request, response);
    while (r == 0) {
        void *at;
        size_t room;
        if ((r = reply_room(&reply, &at, &room)) < 0)
            break;
        size_t len = wire.len < room ? wire.len : room;
        if (len)
            memcpy(at, wire.ptr, len);
        wire = span_from(wire, len);
        r = reply_took(&reply, len);
    }
    return r < 0 ? r : 0;
}

static int deliver(const struct s3_request *request, struct s3_response *response, struct made *m, const char *type)
{
    struct buf wire = BUF_INIT;
    int r = m->error;
    if (r == 0 && !m->wire.len) {
        buf_printf(&wire,
                   "HTTP/1.1 %u -\r\nContent-Type: %s\r\n" POSIX_HEADER_VERSION ": %llu\r\n" POSIX_HEADER_SIZE
                   ": %llu\r\nContent-Length: %zu\r\n\r\n",
                   m->status, type, (unsigned long long)m->version, (unsigned long long)m->size, m->body.len);
        buf_add_span(&wire, buf_span(&m->body));
    }
    if (r == 0)
        r = receive(request, response, m->wire.len ? m->wire : buf_span(&wire));
    buf_release(&wire);
    buf_release(&m->body);
    return r;
}

/* Alive, then what the rule says; the stream stays open until the mount closes it. */
static int push(const struct s3_request *request, struct s3_response *response)
{
    struct timespec moment = {0, 500000};
    struct buf frames = BUF_INIT;
    struct rule rule;
    posix_frame_add(&frames, &(struct posix_frame){.kind = POSIX_FRAME_ALIVE, .sequence = 1});
    if (rule_take(CODE_PUSH, false, &rule))
        buf_add_span(&frames, rule.bytes);
    struct span rest = buf_span(&frames);
    size_t piece = rest.len % 50 + 30;
    while (rest.len && request->sink(response, rest.ptr, span_head(rest, piece).len, request->sink_arg))
        rest = span_from(rest, piece);
    buf_release(&frames);
    while (!request->interrupted(request->interrupted_arg))
        nanosleep(&moment, NULL);
    return -EINTR;
}

static int stream(const struct s3_request *request, struct s3_response *response, bool put)
{
    struct posix_stream asked = {0};
    struct made m = {.status = 200};
    struct rule rule;
    for (size_t i = 0; i < request->query_count; i++)
        posix_query_take(request->query[i].name, request->query[i].value, &asked);
    m.version = 1;
    m.size = attr_of(asked.ino).size;
    if (put) {
        struct posix_result result = {.code = POSIX_WRITE, .value = asked.off, .attr = attr_of(asked.ino)};
        posix_reply_begin(&m.body, &(struct posix_reply){.instance = 7, .sequence = asked.sequence});
        posix_result_add(&m.body, &result);
    } else {
        buf_add_span(&m.body, contents_of(asked.ino, asked.off, asked.len));
    }
    if (rule_take(put ? CODE_PUT : CODE_GET, false, &rule))
        bend(&rule, &m);
    return deliver(request, response, &m, put ? POSIX_CONTENT_TYPE : "binary/octet-stream");
}

static int compound(const struct s3_request *request, struct s3_response *response)
{
    struct made m = {.status = 200};
    struct rule rule;
    unsigned code;
    answer_compound(request->body, &m.body, &code);
    if (rule_take(code, false, &rule))
        bend(&rule, &m);
    return deliver(request, response, &m, POSIX_CONTENT_TYPE);
}

/* ---- in place of fs/s3/client.c ---- */

int s3_client_new(const struct s3_client_options *options, struct s3_client **ret_client)
{
    (void)options;
    *ret_client = malloc(1);
    return *ret_client ? 0 : -ENOMEM;
}

void s3_client_free(struct s3_client **client)
{
    free(*client);
    *client = NULL;
}

int s3_send(struct s3_client *client, const struct s3_request *request, struct s3_response *response)
{
    (void)client;
    if (request->sink)
        return push(request, response);
    if (strcmp(request->method, "POST") != 0)
        return stream(request, response, strcmp(request->method, "PUT") == 0);
    return compound(request, response);
}

void s3_response_release(struct s3_response *response)
{
    buf_release(&response->head_bytes);
    buf_release(&response->body);
}

struct span s3_error_code(const struct s3_response *response)
{
    (void)response;
    return SPAN_EMPTY;
}

/* ---- the input ---- */

static void take_rule(struct span item)
{
    struct rule *r = &server.rules[server.count++];
    *r = (struct rule){.code = (uint8_t)take_number(&item, 1)};
    r->action = (enum action)(take_number(&item, 1) % ACTIONS);
    r->bytes = item;
}

static void take_name(struct span *rest, char name[256])
{
    struct span cut = span_head(*rest, 255);
    size_t len = 0;
    while (len < cut.len && cut.ptr[len] && cut.ptr[len] != '/')
        len++;
    if (len)
        memcpy(name, cut.ptr, len);
    else
        name[len++] = 'f';
    name[len] = '\0';
    *rest = span_from(*rest, len + 1);
}

static struct kernel_call take_call(unsigned kind, struct span item)
{
    struct kernel_call call = {.kind = (enum kernel_kind)(kind % KERNEL_KINDS)};
    call.which = (unsigned)take_number(&item, 1);
    call.flags = (uint32_t)take_number(&item, 2);
    call.size = (uint32_t)take_number(&item, 2) << (call.which & 0x80 ? 4 : 0);
    call.off = take_number(&item, 4) << (call.which & 0x40 ? 12 : 0);
    call.which &= 0x3f;
    call.other = (unsigned)take_number(&item, 1);
    take_name(&item, call.name);
    take_name(&item, call.name2);
    return call;
}

static void run(const struct kernel_call *calls, size_t count)
{
    struct mount_options options = {.source_text = "http://host/box",
                                    .source = {.endpoint = "http://host", .bucket = "box"},
                                    .mountpoint = "/mnt",
                                    .soft = true,
                                    .timeout_ns = 1,
                                    .attr_timeout_ns = 60000000000,
                                    .uid = OPTION_ID_NONE,
                                    .gid = OPTION_ID_NONE,
                                    .read_ahead = 256 << 10,
                                    .dirty = 16 << 20};
    struct fs *fs;
    if (fs_open(&options, &fs) < 0)
        return;
    fuse_kernel_begin(fs);
    for (size_t i = 0; i < count; i++)
        fuse_kernel_call(&calls[i]);
    fuse_kernel_end();
    notify_stop(fs->notify);
    fs_close(&fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kernel_call calls[CALLS];
    struct span rest = span_make(data, size);
    size_t count = 0;
    server.count = 0;
    if (!contents[0])
        memset(contents, 'r', sizeof(contents));
    while (rest.len) {
        size_t len = take_number(&rest, 1);
        unsigned first = (unsigned)take_number(&rest, 1);
        if (first >= 0xc0)
            len *= 4;
        struct span item = span_head(rest, len);
        rest = span_from(rest, len);
        if (first >= 0x80 && server.count < RULES)
            take_rule(item);
        else if (first < 0x80 && count < CALLS)
            calls[count++] = take_call(first, item);
    }
    run(calls, count);
    return 0;
}

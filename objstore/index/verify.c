/*
 * Verification of a database before it is used.
 *
 * LMDB trusts its pages: a flipped bit in one can make it read past the page, give a page out twice, or end the
 * process. So start-up walks both trees, that of the records and that of the free pages, with read(2) and every bound
 * checked: page numbers and kinds, places of nodes, order of keys, counts, and that no page has two uses. A replica
 * that fails is damaged, and replaced. Records that lie in leaf pages are checked against their checksums too (large
 * ones are when they are read): a bad one spoils a replica, which is then replaced if there is a better, and otherwise
 * used, since all its other records are good.
 *
 * What it knows of LMDB's format 1 on 64-bit little-endian machines; offsets in bytes.
 *
 *   page      0 number (8), 10 flags (2), 12 lower (2), 14 upper (2), 16 … lower: offsets of nodes (2 each); nodes from upper on
 *             from upper to the page's end they lie one behind the other, each rounded up to an even length, in any order
 *   node      0 low and 2 high part of the data's length, or of a child's page number, which 4 continues; 4 flags, 6 key's length,
 *             8 key, data
 *   overflow  0 number (8), 10 flags (2), 12 how many pages it has (4); the data of a large value follows that head
 *   meta      pages 0 and 1; from 16 on: 0 magic (4), 4 version (4), 24 and 72 the trees of free pages and records, 120 last
 *             page, 128 number of the commit; the higher is in force
 *   tree      0 page size (4, of the first), 4 flags (2), 6 depth (2), 8 branch, 16 leaf and 24 overflow pages, 32 entries,
 *             40 root page
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

enum {
    HEAD = 16,
    NODE_HEAD = 8,
    META_LEN = 136,
    TREE_FREE = 24,
    TREE_MAIN = 72,
    DEPTH_MAX = 32, /* LMDB's own limit */
    PAGE_LEAST = 512,
    PAGE_MOST = 65536,
};

enum { BRANCH = 0x01, LEAF = 0x02, OVERFLOW = 0x04, KIND_MASK = 0x6f };
enum { BIG = 0x01 };
enum { INTEGER_KEYS = 0x08, NO_SUBDIR = 0x4000 }; /* flags of the tree of free pages */

#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define NO_PAGE UINT64_MAX

struct tree {
    uint16_t depth;
    uint64_t branches, leaves, overflows, entries;
    uint64_t root;
};

struct verify {
    int file;
    size_t page_size;
    uint64_t pages;                  /* that the file may use */
    uint8_t *used;                   /* a bit for each */
    char *frames;                    /* DEPTH_MAX pages: the way down */
    uint16_t lengths[PAGE_MOST / 2]; /* of the nodes of the page that is looked at, by half their place */
    bool is_free;
    uint64_t bad_records;
    struct tree found; /* counted on the way */
    struct buf last;   /* the key before, */
    bool has_last;
    bool at_least; /* … which is that of a branch: its child may begin with it */
};

static bool read_at(const struct verify *v, void *bytes, size_t len, uint64_t off)
{
    char *at = bytes;
    while (len > 0) {
        ssize_t got = pread(v->file, at, len, (off_t)off);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        off += (uint64_t)got;
        len -= (size_t)got;
    }
    return true;
}

/* Marks count pages from number on; false when one is none of the file's, or in use already. */
static bool use_pages(struct verify *v, uint64_t number, uint64_t count)
{
    if (number < 2 || number >= v->pages || count > v->pages - number)
        return false;
    for (uint64_t i = number; i < number + count; i++) {
        if (v->used[i / 8] >> i % 8 & 1)
            return false;
        v->used[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return true;
}

/* ---- keys in order ---- */

static int key_cmp(const struct verify *v, struct span a, struct span b)
{
    if (!v->is_free)
        return span_cmp(a, b);
    uint64_t x = get_le64(a.ptr), y = get_le64(b.ptr);
    return x < y ? -1 : x > y;
}

static bool key_keep(struct verify *v, struct span key, bool of_branch)
{
    buf_clear(&v->last);
    v->has_last = buf_add_span(&v->last, key) == 0;
    v->at_least = of_branch;
    return v->has_last;
}

static bool key_follows(struct verify *v, struct span key)
{
    if (v->is_free ? key.len != sizeof(uint64_t) : key.len == 0 || key.len > INDEX_KEY_MAX)
        return false;
    int order = v->has_last ? key_cmp(v, buf_span(&v->last), key) : -1;
    if (order > 0 || (order == 0 && !v->at_least))
        return false;
    return key_keep(v, key, false);
}

/* ---- values ---- */

/* The list of pages that one commit freed: a count, then their numbers in descending order. */
static bool verify_free_list(struct verify *v, const char *list, size_t len)
{
    if (len < 8 || len % 8 != 0 || get_le64(list) != len / 8 - 1)
        return false;
    for (size_t i = 8; i < len; i += 8) {
        uint64_t number = get_le64(list + i);
        if ((i > 8 && number >= get_le64(list + i - 8)) || !use_pages(v, number, 1))
            return false;
    }
    return true;
}

static bool verify_value(struct verify *v, struct span key, struct span value)
{
    if (v->is_free)
        return verify_free_list(v, value.ptr, value.len);
    struct span opened;
    if (record_open(key, value, &opened) < 0)
        v->bad_records++;
    return true;
}

/* How many pages a large value has, as its first page says: more than it needs when a shorter one took the place of a
 * longer within one commit. 0 when that can't be. */
static uint64_t big_pages(const struct verify *v, uint64_t number, size_t len)
{
    char head[HEAD];
    if (number >= v->pages || !read_at(v, head, sizeof(head), number * v->page_size) || get_le64(head) != number ||
        (get_le16(head + 10) & KIND_MASK) != OVERFLOW)
        return 0;
    uint64_t count = get_le32(head + 12);
    return count >= (HEAD - 1 + (uint64_t)len) / v->page_size + 1 ? count : 0;
}

static bool verify_big(struct verify *v, uint64_t number, size_t len)
{
    uint64_t count = big_pages(v, number, len);
    v->found.overflows += count;
    if (count == 0 || !use_pages(v, number, count))
        return false;
    if (!v->is_free)
        return true;
    char *list = malloc(len);
    bool good = list && read_at(v, list, len, number * v->page_size + HEAD) && verify_free_list(v, list, len);
    free(list);
    return good;
}

/* ---- pages ---- */

struct node {
    uint32_t low; /* length of data, or the low part of a child's number */
    uint16_t flags;
    struct span key;
    struct span rest; /* what follows the key, to the page's end */
};

static bool node_read(const struct verify *v, const char *page, unsigned i, struct node *ret_node)
{
    size_t off = get_le16(page + HEAD + 2 * i);
    if (off < get_le16(page + 14) || off + NODE_HEAD > v->page_size)
        return false;
    size_t key_len = get_le16(page + off + 6);
    if (key_len > v->page_size - off - NODE_HEAD)
        return false;
    const char *key = page + off + NODE_HEAD;
    *ret_node = (struct node){
        .low = get_le32(page + off),
        .flags = get_le16(page + off + 4),
        .key = span_make(key, key_len),
        .rest = span_make(key + key_len, v->page_size - off - NODE_HEAD - key_len),
    };
    return true;
}

static uint64_t node_child(const struct node *node)
{
    return node->low | (uint64_t)node->flags << 32;
}

/* The number of nodes, or -1 when the page is not what it should be. */
static int page_read(const struct verify *v, uint64_t number, unsigned kind, char *ret_page)
{
    if (!read_at(v, ret_page, v->page_size, number * v->page_size))
        return -1;
    unsigned lower = get_le16(ret_page + 12), upper = get_le16(ret_page + 14);
    if (get_le64(ret_page) != number || (get_le16(ret_page + 10) & KIND_MASK) != kind)
        return -1;
    if (lower < HEAD || lower > upper || upper > v->page_size || lower % 2 != 0)
        return -1;
    return (int)(lower - HEAD) / 2;
}

static size_t node_len(const struct node *node, bool is_leaf)
{
    size_t data = !is_leaf ? 0 : node->flags & BIG ? sizeof(uint64_t) : node->low;
    return (NODE_HEAD + node->key.len + data + 1) & ~(size_t)1;
}

/* Whether nodes lie where they should, without a gap. LMDB closes the gap of one that it deletes by moving all that is
 * below by its length; a wrong one would take it out of the page. */
static bool nodes_adjoin(struct verify *v, const char *page, int count, bool is_leaf)
{
    size_t at = get_le16(page + 14);
    memset(v->lengths, 0, v->page_size);
    for (int i = 0; i < count; i++) {
        struct node node;
        size_t off = get_le16(page + HEAD + 2 * i);
        if (off % 2 != 0 || !node_read(v, page, (unsigned)i, &node) || node_len(&node, is_leaf) > v->page_size - off)
            return false;
        v->lengths[off / 2] = (uint16_t)node_len(&node, is_leaf);
    }
    for (; count > 0 && at < v->page_size && v->lengths[at / 2]; count--)
        at += v->lengths[at / 2];
    return count == 0 && at == v->page_size;
}

static bool verify_leaf(struct verify *v, const char *page, int count)
{
    if (!nodes_adjoin(v, page, count, true))
        return false;
    v->found.leaves++;
    for (int i = 0; i < count; i++) {
        struct node node;
        if (!node_read(v, page, (unsigned)i, &node) || node.flags & ~BIG || !key_follows(v, node.key))
            return false;
        v->found.entries++;
        bool good;
        if (node.flags & BIG)
            good = node.rest.len >= 8 && verify_big(v, get_le64(node.rest.ptr), node.low);
        else
            good = node.low <= node.rest.len && verify_value(v, node.key, span_head(node.rest, node.low));
        if (!good)
            return false;
    }
    return true;
}

static bool verify_page(struct verify *v, uint64_t number, unsigned depth);

/* The disk reads the children while the first of them is looked at. */
static void read_ahead(const struct verify *v, const char *page, int count)
{
    struct node node;
    for (int i = 0; i < count; i++)
        if (node_read(v, page, (unsigned)i, &node))
            posix_fadvise(v->file, (off_t)(node_child(&node) * v->page_size), (off_t)v->page_size, POSIX_FADV_WILLNEED);
}

static bool branch_key_follows(struct verify *v, struct span key)
{
    if (v->is_free ? key.len != sizeof(uint64_t) : key.len == 0)
        return false;
    if (v->has_last && key_cmp(v, buf_span(&v->last), key) >= 0)
        return false;
    return key_keep(v, key, true);
}

/* The first node's key is not used; any other is at most the first key of its child, and more than the last before. */
static bool verify_branch(struct verify *v, const char *page, int count, unsigned depth)
{
    if (!nodes_adjoin(v, page, count, false))
        return false;
    v->found.branches++;
    read_ahead(v, page, count);
    for (int i = 0; i < count; i++) {
        struct node node;
        if (!node_read(v, page, (unsigned)i, &node))
            return false;
        if (i > 0 && !branch_key_follows(v, node.key))
            return false;
        if (!verify_page(v, node_child(&node), depth - 1))
            return false;
    }
    return count > 0;
}

static bool verify_page(struct verify *v, uint64_t number, unsigned depth)
{
    char *page = v->frames + depth * v->page_size;
    if (!use_pages(v, number, 1))
        return false;
    int count = page_read(v, number, depth == 1 ? LEAF : BRANCH, page);
    if (count < 0)
        return false;
    return depth == 1 ? verify_leaf(v, page, count) : verify_branch(v, page, count, depth);
}

/* ---- trees ---- */

static struct tree tree_read(const char *at)
{
    return (struct tree){
        .depth = get_le16(at + 6),
        .branches = get_le64(at + 8),
        .leaves = get_le64(at + 16),
        .overflows = get_le64(at + 24),
        .entries = get_le64(at + 32),
        .root = get_le64(at + 40),
    };
}

static bool verify_tree(struct verify *v, const struct tree *tree, bool is_free)
{
    if (tree->root == NO_PAGE)
        return tree->entries == 0;
    if (tree->depth < 1 || tree->depth >= DEPTH_MAX)
        return false;
    v->is_free = is_free;
    v->has_last = v->at_least = false;
    v->found = (struct tree){0};
    return verify_page(v, tree->root, tree->depth) && v->found.branches == tree->branches &&
           v->found.leaves == tree->leaves && v->found.overflows == tree->overflows &&
           v->found.entries == tree->entries;
}

/* ---- the database ---- */

static bool meta_is_good(const char *meta)
{
    return get_le32(meta) == META_MAGIC && get_le32(meta + 4) == META_VERSION &&
           (get_le16(meta + TREE_FREE + 4) & ~NO_SUBDIR) == INTEGER_KEYS && get_le16(meta + TREE_MAIN + 4) == 0;
}

static uint64_t meta_commit(const char *meta)
{
    return get_le64(meta + 128);
}

/* Each commit writes the other of the two: so their numbers are neighbours, and each stands where its lowest bit says.
 */
static bool metas_agree(const char *first, const char *second)
{
    uint64_t a = meta_commit(first), b = meta_commit(second);
    if (a == b)
        return a == 0;
    return (a > b ? a - b : b - a) == 1 && a % 2 == 0;
}

static bool page_size_is_good(size_t size)
{
    return size >= PAGE_LEAST && size <= PAGE_MOST && (size & (size - 1)) == 0;
}

/* The meta page in force, without its head. */
static bool meta_find(struct verify *v, char ret_meta[META_LEN])
{
    char first[META_LEN];
    if (!read_at(v, first, sizeof(first), HEAD))
        return false;
    v->page_size = get_le32(first + TREE_FREE);
    if (!page_size_is_good(v->page_size) || !read_at(v, ret_meta, META_LEN, v->page_size + HEAD))
        return false;
    if (!meta_is_good(first) || !meta_is_good(ret_meta) || get_le32(ret_meta + TREE_FREE) != v->page_size ||
        !metas_agree(first, ret_meta))
        return false;
    if (meta_commit(first) >= meta_commit(ret_meta))
        memcpy(ret_meta, first, META_LEN);
    return true;
}

/* No page was freed by a commit to come. */
static bool free_list_is_past(const struct verify *v, const char *meta)
{
    return !v->is_free || !v->has_last || get_le64(v->last.ptr) <= meta_commit(meta);
}

static int verify_trees(struct verify *v, const char *meta)
{
    off_t len = lseek(v->file, 0, SEEK_END);
    uint64_t last = get_le64(meta + 120);
    if (len < 0 || last >= (uint64_t)len / v->page_size)
        return CAIRN_ECORRUPT;
    v->pages = last + 1;
    v->used = calloc(v->pages / 8 + 1, 1);
    v->frames = malloc(DEPTH_MAX * v->page_size);
    if (!v->used || !v->frames)
        return -ENOMEM;
    struct tree main = tree_read(meta + TREE_MAIN), spare = tree_read(meta + TREE_FREE);
    bool good = verify_tree(v, &main, false) && verify_tree(v, &spare, true) && free_list_is_past(v, meta);
    return good ? 0 : CAIRN_ECORRUPT;
}

int replica_verify(struct replica *replica)
{
    struct verify v = {.file = openat(replica->folder, DATABASE, O_RDONLY | O_CLOEXEC)};
    char meta[META_LEN];
    if (v.file < 0)
        return -errno;
    int rc = meta_find(&v, meta) ? verify_trees(&v, meta) : CAIRN_ECORRUPT;
    replica->spoiled = v.bad_records > 0;
    close(v.file);
    free(v.used);
    free(v.frames);
    buf_release(&v.last);
    return rc;
}

#include "fs/listing.h"

#include <stdatomic.h>
#include <stdlib.h>

struct page {
    uint64_t first; /* position of its first entry */
    size_t count;   /* of positions */
    size_t there;   /* entries: fewer than positions, when some had gone as it was fetched again */
    char *bytes;    /* NULL: given up */
    size_t len;
    uint32_t *offsets; /* of each entry in bytes */
    uint64_t since;
    struct span last; /* name of its last entry; its own memory */
    bool last_is_dir;
};

struct listing {
    struct opened opened; /* first, so that it is its listing */
    struct fs *fs;
    struct inode *inode;
    atomic_uint holders; /* the open directory, and calls at work on it */
    pthread_mutex_t lock;
    struct page *pages; /* lock, as all that follows */
    size_t page_count, page_cap;
    size_t bytes;   /* of pages kept */
    size_t oldest;  /* the first page that may still have its bytes */
    bool eof;       /* no page comes after those */
    uint64_t names; /* id of the inode's set of names that this walk completes; 0: none */
    uint64_t parent;
};

/* ---- which names the directory has ---- */

/* The walk begins: from now on every name that comes up is noted, by push and by the pages. */
static void names_begin(struct listing *l)
{
    struct inode *inode = l->inode;

    pthread_mutex_lock(&inode->lock);
    if (!inode->children && (inode->children = nameset_new())) {
        inode->children_complete = false;
        inode->children_id = changes_inode(&l->fs->changes, inode->ino);
    }
    l->names = inode->children ? inode->children_id : 0;
    pthread_mutex_unlock(&inode->lock);
}

static void names_page(struct listing *l, const struct page *page, bool eof)
{
    struct inode *inode = l->inode;
    struct span rest = span_make(page->bytes, page->len);
    struct posix_entry entry;

    pthread_mutex_lock(&inode->lock);
    if (!inode->children || inode->children_id != l->names)
        l->names = 0; /* it was dropped meanwhile */
    while (l->names && posix_entry_next(&rest, &entry) == 1) {
        if (nameset_add(inode->children, name_hash(inode->ino, entry.name)))
            continue;
        nameset_free(&inode->children);
        l->names = 0;
    }
    if (l->names && eof)
        inode->children_complete = true;
    pthread_mutex_unlock(&inode->lock);
}

/* ---- pages ---- */

static void page_give_up(struct listing *l, struct page *page)
{
    l->bytes -= page->bytes ? page->len : 0;
    free(page->bytes);
    free(page->offsets);
    page->bytes = NULL;
    page->offsets = NULL;
}

static void page_release(struct listing *l, struct page *page)
{
    page_give_up(l, page);
    free((char *)page->last.ptr);
    page->last = SPAN_EMPTY;
}

/* Whether the entry stands behind the page's last one in the server's order, in which a directory's name ends in '/'.
 */
static bool behind_last(const struct page *page, const struct posix_entry *entry)
{
    char a[POSIX_NAME_MAX + 1], b[POSIX_NAME_MAX + 1];
    struct span last = page->last;

    if (!last.ptr)
        return false;
    memcpy(a, entry->name.ptr, entry->name.len);
    a[entry->name.len] = '/';
    memcpy(b, last.ptr, last.len);
    b[last.len] = '/';
    return span_cmp(span_make(a, entry->name.len + (entry->type == POSIX_DIR)),
                    span_make(b, last.len + page->last_is_dir)) > 0;
}

/* How many entries are the page's, and how many bytes they take: when it is fetched again, those behind its end are
 * not. */
static int count_entries(const struct page *page, struct span data, size_t *ret_count, size_t *ret_len)
{
    struct span rest = data;
    struct posix_entry entry;
    int r;

    *ret_count = *ret_len = 0;
    while ((r = posix_entry_next(&rest, &entry)) == 1 && !behind_last(page, &entry)) {
        ++*ret_count;
        *ret_len = data.len - rest.len;
    }
    return r < 0 ? -EIO : 0;
}

static int index_entries(struct page *page)
{
    struct span rest = span_make(page->bytes, page->len);
    struct posix_entry entry = {0};

    for (size_t i = 0; i < page->there; i++) {
        page->offsets[i] = (uint32_t)(rest.ptr - page->bytes);
        posix_entry_next(&rest, &entry);
    }
    if (page->there == 0 || page->last.ptr)
        return 0;
    char *name = malloc(entry.name.len);
    if (!name)
        return -ENOMEM;
    memcpy(name, entry.name.ptr, entry.name.len);
    page->last = span_make(name, entry.name.len);
    page->last_is_dir = entry.type == POSIX_DIR;
    return 0;
}

/* Takes a reply's entries into the page. */
static int page_fill(struct listing *l, struct page *page, struct span data)
{
    int r = count_entries(page, data, &page->there, &page->len);

    if (r < 0)
        return r;
    page->bytes = malloc(page->len + 1);
    page->offsets = malloc((page->there + 1) * sizeof *page->offsets);
    if (!page->bytes || !page->offsets) {
        page->len = 0;
        page_give_up(l, page);
        return -ENOMEM;
    }
    memcpy(page->bytes, data.ptr, page->len);
    l->bytes += page->len;
    return index_entries(page);
}

/* Pages are given up from the front; the one that is read now stays. */
static void keep_within_limit(struct listing *l, const struct page *current)
{
    for (; l->bytes > LISTING_KEEP && l->oldest < l->page_count; l->oldest++)
        if (&l->pages[l->oldest] != current)
            page_give_up(l, &l->pages[l->oldest]);
}

/* Asks for the entries behind name; count 0: as many as come. */
static int page_fetch(struct listing *l, struct page *page, struct span after, size_t count, bool attrs, bool *ret_eof)
{
    struct posix_op op = {.code = POSIX_READDIR,
                          .ino = l->inode->ino,
                          .name = after,
                          .len = LISTING_PAGE,
                          .count = (uint32_t)count,
                          .flags = attrs ? POSIX_READDIR_ATTRS : 0};
    struct remote_call *call = call_get(l->fs);
    struct posix_result result;

    if (!call)
        return -ENOMEM;
    page->since = changes_now(&l->fs->changes);
    int r = remote_one(l->fs->remote, call, &op, &result);
    if (r == 0) {
        l->parent = result.attr.parent;
        *ret_eof = result.flags & POSIX_READDIR_EOF;
        r = page_fill(l, page, result.data);
    }
    call_put(l->fs, call);
    return r;
}

static int page_again(struct listing *l, size_t number, bool attrs)
{
    struct page *page = &l->pages[number];
    struct span after = number > 0 ? l->pages[number - 1].last : SPAN_EMPTY;
    bool eof;

    if (number < l->oldest)
        l->oldest = number;
    int r = page_fetch(l, page, after, page->count, attrs, &eof);
    if (r == 0)
        keep_within_limit(l, page);
    return r;
}

static int page_next(struct listing *l, bool attrs)
{
    if (l->page_count == l->page_cap) {
        size_t cap = l->page_cap ? l->page_cap * 2 : 4;
        struct page *pages = reallocarray(l->pages, cap, sizeof *pages);
        if (!pages)
            return -ENOMEM;
        l->pages = pages;
        l->page_cap = cap;
    }
    struct page *before = l->page_count > 0 ? &l->pages[l->page_count - 1] : NULL;
    struct page page = {.first = before ? before->first + before->count : LISTING_FIRST};
    bool eof = false;
    if (!before)
        names_begin(l);
    int r = page_fetch(l, &page, before ? before->last : SPAN_EMPTY, 0, attrs, &eof);
    if (r < 0) {
        page_release(l, &page);
        return r;
    }
    page.count = page.there;
    l->eof = eof || page.count == 0;
    names_page(l, &page, l->eof);
    l->pages[l->page_count++] = page;
    keep_within_limit(l, &l->pages[l->page_count - 1]);
    return 0;
}

/* The number of the page that holds the position, or page_count. */
static size_t page_of(const struct listing *l, uint64_t position)
{
    size_t low = 0, high = l->page_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->pages[mid].first + l->pages[mid].count > position)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* ---- the calls ---- */

static int page_entry(const struct page *page, size_t index, struct posix_entry *ret_entry)
{
    struct span rest = span_from(span_make(page->bytes, page->len), page->offsets[index]);
    return posix_entry_next(&rest, ret_entry) == 1 ? 1 : -EIO;
}

int listing_entry(struct listing *listing, uint64_t *position, bool attrs, struct posix_entry *ret_entry,
                  uint64_t *ret_since)
{
    for (;;) {
        size_t number = page_of(listing, *position);
        if (number == listing->page_count) {
            if (listing->eof)
                return 0;
            int r = page_next(listing, attrs);
            if (r < 0)
                return r;
            continue;
        }
        struct page *page = &listing->pages[number];
        int r = page->bytes ? 0 : page_again(listing, number, attrs);
        if (r < 0)
            return r;
        size_t index = *position - page->first;
        *ret_since = page->since;
        if (index < page->there)
            return page_entry(page, index, ret_entry);
        *position = page->first + page->count;
    }
}

void listing_rewind(struct listing *listing)
{
    for (size_t i = 0; i < listing->page_count; i++)
        page_release(listing, &listing->pages[i]);
    listing->page_count = 0;
    listing->oldest = 0;
    listing->eof = false;
    listing->names = 0;
}

int listing_parent(struct listing *listing, uint64_t *ret_ino)
{
    struct posix_result result;

    if (listing->parent == 0) {
        int r = call_one(listing->fs, &(struct posix_op){.code = POSIX_GETATTR, .ino = listing->inode->ino}, &result);
        if (r < 0)
            return r;
        listing->parent = result.attr.parent ? result.attr.parent : listing->inode->ino;
    }
    *ret_ino = listing->parent;
    return 0;
}

static void listing_close(struct fs *fs, struct opened *opened)
{
    struct listing *l = (struct listing *)opened;

    (void)fs;
    listing_free(&l);
}

int listing_new(struct fs *fs, struct inode *inode, struct listing **ret_listing)
{
    struct listing *l = calloc(1, sizeof *l);

    if (!l)
        return -ENOMEM;
    l->fs = fs;
    l->inode = inode;
    atomic_init(&l->holders, 1);
    l->opened.close = listing_close;
    opened_add(fs, &l->opened);
    pthread_mutex_init(&l->lock, NULL);
    *ret_listing = l;
    return 0;
}

struct listing *listing_ref(struct listing *listing)
{
    atomic_fetch_add(&listing->holders, 1);
    return listing;
}

void listing_free(struct listing **listing)
{
    struct listing *l = *listing;

    *listing = NULL;
    if (!l || atomic_fetch_sub(&l->holders, 1) > 1)
        return;
    opened_remove(l->fs, &l->opened);
    listing_rewind(l);
    free(l->pages);
    inode_put(l->fs->inodes, &l->inode);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

uint64_t listing_ino(const struct listing *listing)
{
    return listing->inode->ino;
}

void listing_lock(struct listing *listing)
{
    pthread_mutex_lock(&listing->lock);
}

void listing_unlock(struct listing *listing)
{
    pthread_mutex_unlock(&listing->lock);
}

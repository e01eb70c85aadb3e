#include "tests/support/volatile_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096u
#define SECTOR 512u
#define NOTE_MAX (1u << 20) /* bytes of one note */

/* What was there before a change: a size, or a range that held bytes, or was a hole. */
struct note {
    struct note *older;
    uint64_t number;
    enum note_kind { NOTE_SIZE, NOTE_BYTES, NOTE_HOLE } kind;
    uint64_t off; /* of NOTE_SIZE: the size */
    uint64_t len;
    uint8_t bytes[];
};

struct volatile_file {
    struct volatile_file *next;
    dev_t dev;
    ino_t ino;
    int fd;
    struct note *newest;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "volatile file: %s: %s\n", what, strerror(errno));
    abort();
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the lottery ---- */

/* splitmix64 */
static uint64_t lottery_next(struct lottery *lottery)
{
    uint64_t z = lottery->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

struct lottery lottery_begin(uint64_t seed)
{
    static const unsigned chances[] = {13, 64, 128, 243};
    static const uint64_t units[] = {SECTOR, PAGE, 0};
    struct lottery lottery = {.state = seed};

    if (seed == 0)
        return lottery;
    lottery.chance = chances[lottery_next(&lottery) % 4];
    lottery.unit = units[lottery_next(&lottery) % 3];
    return lottery;
}

bool lottery_draw(struct lottery *lottery)
{
    return lottery->chance > 0 && lottery_next(lottery) % 256 < lottery->chance;
}

/* ---- the list ---- */

struct volatile_file *volatile_file_get(struct volatile_file **list, int fd, const struct stat *st)
{
    char path[32];

    for (struct volatile_file *file = *list; file; file = file->next)
        if (file->ino == st->st_ino && file->dev == st->st_dev)
            return file;
    struct volatile_file *file = malloc(sizeof(*file));
    must(file, "no memory");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *file = (struct volatile_file){.next = *list, .dev = st->st_dev, .ino = st->st_ino};
    file->fd = open(path, O_RDWR | O_CLOEXEC);
    must(file->fd >= 0, "can't open it for writing");
    return *list = file;
}

struct volatile_file *volatile_file_next(const struct volatile_file *file)
{
    return file->next;
}

static void notes_free(struct note **from)
{
    while (*from) {
        struct note *note = *from;
        *from = note->older;
        free(note);
    }
}

static void file_drop(struct volatile_file **at)
{
    struct volatile_file *file = *at;

    *at = file->next;
    notes_free(&file->newest);
    close(file->fd);
    free(file);
}

static bool has_a_future(const struct volatile_file *file)
{
    struct stat st;

    must(fstat(file->fd, &st) == 0, "fstat");
    return file->newest && st.st_nlink > 0;
}

void volatile_files_trim(struct volatile_file **list)
{
    while (*list)
        if (has_a_future(*list))
            list = &(*list)->next;
        else
            file_drop(list);
}

void volatile_files_free(struct volatile_file **list)
{
    while (*list)
        file_drop(list);
}

/* ---- notes ---- */

static struct note *note_new(enum note_kind kind, uint64_t number, uint64_t off, uint64_t len)
{
    struct note *note = malloc(sizeof(*note) + (kind == NOTE_BYTES ? len : 0));

    must(note, "no memory");
    *note = (struct note){.number = number, .kind = kind, .off = off, .len = len};
    return note;
}

static void note_push(struct volatile_file *file, struct note *note)
{
    note->older = file->newest;
    file->newest = note;
}

static void note_data(struct volatile_file *file, uint64_t number, uint64_t off, uint64_t end)
{
    for (uint64_t len; off < end; off += len) {
        len = least(end - off, NOTE_MAX);
        struct note *note = note_new(NOTE_BYTES, number, off, len);
        must(pread(file->fd, note->bytes, len, (off_t)off) == (ssize_t)len, "can't read");
        note_push(file, note);
    }
}

static void note_hole(struct volatile_file *file, uint64_t number, uint64_t off, uint64_t end)
{
    if (off < end)
        note_push(file, note_new(NOTE_HOLE, number, off, end - off));
}

static uint64_t file_size(const struct volatile_file *file)
{
    struct stat st;

    must(fstat(file->fd, &st) == 0, "fstat");
    return (uint64_t)st.st_size;
}

/* Where the next data, or hole, begins at or behind off; the file's end is a hole that goes on. */
static uint64_t seek(const struct volatile_file *file, uint64_t off, int whence)
{
    off_t at = lseek(file->fd, (off_t)off, whence);

    must(at >= 0 || errno == ENXIO, "lseek");
    return at < 0 ? UINT64_MAX : (uint64_t)at;
}

void volatile_file_note_bytes(struct volatile_file *file, uint64_t number, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;

    while (off < end) {
        uint64_t data = least(seek(file, off, SEEK_DATA), end);
        note_hole(file, number, off, data);
        if (data == end)
            return;
        off = least(seek(file, data, SEEK_HOLE), end);
        note_data(file, number, data, off);
    }
}

void volatile_file_note_size(struct volatile_file *file, uint64_t number, uint64_t size)
{
    uint64_t now = file_size(file);

    if (size < now)
        volatile_file_note_bytes(file, number, size, now - size);
    if (size != now)
        note_push(file, note_new(NOTE_SIZE, number, now, 0));
}

/* ---- syncs ---- */

void volatile_file_forget(struct volatile_file *file, uint64_t mark)
{
    struct note **at = &file->newest;

    while (*at && (*at)->number > mark)
        at = &(*at)->older;
    notes_free(at);
}

/* The part of a note that lies in [off, end), in its place. */
static struct note *note_part(struct note *note, uint64_t off, uint64_t end, struct note *older)
{
    if (off >= end)
        return older;
    struct note *part = note_new(note->kind, note->number, off, end - off);
    if (note->kind == NOTE_BYTES)
        memcpy(part->bytes, note->bytes + (off - note->off), end - off);
    part->older = older;
    return part;
}

void volatile_file_forget_range(struct volatile_file *file, uint64_t off, uint64_t len)
{
    uint64_t begin = off / PAGE * PAGE, end = (off + len + PAGE - 1) / PAGE * PAGE;

    for (struct note **at = &file->newest; *at;) {
        struct note *note = *at;
        uint64_t note_end = note->off + note->len;

        if (note->kind != NOTE_SIZE && (note->off >= end || note_end <= begin)) {
            at = &note->older;
            continue;
        }
        struct note *rest = note->older;
        if (note->kind != NOTE_SIZE)
            rest = note_part(note, note->off, begin, note_part(note, end, note_end, rest));
        *at = rest;
        while (*at && *at != note->older) /* its parts are outside */
            at = &(*at)->older;
        free(note);
    }
}

/* ---- the cut ---- */

struct cut {
    struct volatile_file *file;
    struct lottery *lottery;
    uint64_t piece;   /* bytes for each of: */
    uint8_t *settled; /* what stays as it is now */
    uint64_t size;
    bool size_settled;
};

static void restore(struct volatile_file *file, const struct note *note, uint64_t off, uint64_t end)
{
    const uint8_t *bytes = note->bytes + (off - note->off);

    if (note->kind == NOTE_HOLE)
        must(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)(end - off)) == 0,
             "can't punch");
    else
        must(pwrite(file->fd, bytes, end - off, (off_t)off) == (ssize_t)(end - off), "can't write");
}

static void cut_bytes(struct cut *cut, const struct note *note)
{
    bool whole = cut->lottery->unit == 0, all = whole && lottery_draw(cut->lottery);
    uint64_t end = note->off + note->len;

    for (uint64_t off = note->off, next; off < end; off = next) {
        uint64_t i = off / cut->piece;

        next = least(end, (i + 1) * cut->piece);
        if (cut->settled[i])
            continue;
        if (whole ? all : lottery_draw(cut->lottery))
            cut->settled[i] = 1;
        else
            restore(cut->file, note, off, next);
    }
}

static void cut_size(struct cut *cut, const struct note *note)
{
    if (cut->size_settled)
        return;
    cut->size_settled = lottery_draw(cut->lottery);
    if (!cut->size_settled)
        cut->size = note->off;
}

static uint64_t notes_end(const struct volatile_file *file)
{
    uint64_t end = 0;

    for (const struct note *note = file->newest; note; note = note->older)
        end = note->off + note->len > end ? note->off + note->len : end;
    return end;
}

void volatile_file_cut(struct volatile_file *file, struct lottery *lottery)
{
    struct cut cut = {.file = file, .lottery = lottery, .piece = lottery->unit ? lottery->unit : PAGE};

    cut.size = file_size(file);
    cut.settled = calloc(notes_end(file) / cut.piece + 1, 1);
    must(cut.settled, "no memory");
    for (const struct note *note = file->newest; note; note = note->older)
        if (note->kind == NOTE_SIZE)
            cut_size(&cut, note);
        else
            cut_bytes(&cut, note);
    free(cut.settled);
    must(ftruncate(file->fd, (off_t)cut.size) == 0, "can't cut");
}

/*
 * The part of volatile_log.h that knows bytes: what one file had before it was changed, and which of it a cut brings
 * back. The log's lock guards all of it.
 */
#ifndef CAIRN_TESTS_VOLATILE_FILE_H
#define CAIRN_TESTS_VOLATILE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* ---- the lottery of a cut ---- */

struct lottery {
    uint64_t state;
    unsigned chance; /* of 256, that something survives; 0: nothing does */
    uint64_t unit;   /* bytes that survive together; 0: all of a write */
};

/* seed 0: nothing survives. Else the seed also chooses how much does, and in what pieces. */
struct lottery lottery_begin(uint64_t seed);
bool lottery_draw(struct lottery *lottery);

/* ---- files ---- */

struct volatile_file;

/* The one that fd is open on, which is added when it is not in the list; it keeps a descriptor of its own. */
struct volatile_file *volatile_file_get(struct volatile_file **list, int fd, const struct stat *st);
struct volatile_file *volatile_file_next(const struct volatile_file *file);
/* Frees those without notes, or without a name left; all. */
void volatile_files_trim(struct volatile_file **list);
void volatile_files_free(struct volatile_file **list);

/* The bytes of a range, and the size, are about to change. A smaller size notes the bytes that it cuts off, too. */
void volatile_file_note_bytes(struct volatile_file *file, uint64_t number, uint64_t off, uint64_t len);
void volatile_file_note_size(struct volatile_file *file, uint64_t number, uint64_t size);
/* Notes up to a number are durable; the size, and the pages that a range touches, are. */
void volatile_file_forget(struct volatile_file *file, uint64_t mark);
void volatile_file_forget_range(struct volatile_file *file, uint64_t off, uint64_t len);
/* Gives the file the contents that survive: of each piece and of the size one of the states since the last sync. */
void volatile_file_cut(struct volatile_file *file, struct lottery *lottery);

#endif

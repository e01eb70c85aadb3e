/*
 * Undo log of a power cut: before an operation changes a drive, what it is about to change is noted; a sync of the file (or of the folder, for
 * names) forgets the notes that are older; a cut plays the notes that are left backwards. For fault.c; any thread.
 */
#ifndef CAIRN_DRIVE_UNDO_H
#define CAIRN_DRIVE_UNDO_H

#include <pthread.h>

#include "objstore/drive/drive.h"

struct undo_log {
    pthread_mutex_t lock; /* guards what follows */
    bool            on;   /* notes are taken */
    struct undo    *newest;
    uint64_t        count;
};

void undo_log_init(struct undo_log *log);
void undo_log_release(struct undo_log *log);
void undo_log_start(struct undo_log *log);

/* Notes, each before the change: the bytes of a range, the length of a file, a name that appears, a name that changes. file is of the drive
 * that is written to, name its name there. */
void undo_bytes(struct undo_log *log, struct drive_file *file, const char *name, uint64_t off, size_t len);
void undo_length(struct undo_log *log, struct drive_file *file, const char *name);
void undo_created(struct undo_log *log, const char *name);
void undo_renamed(struct undo_log *log, const char *from, const char *to);

/* Before a sync: how far the log has come. After: forgets the notes up to there of a file's contents, or of the names in a folder. */
uint64_t undo_mark(struct undo_log *log);
void undo_forget_file(struct undo_log *log, uint64_t mark, const char *name);
void undo_forget_folder(struct undo_log *log, uint64_t mark, const char *folder);
/* Plays and forgets all. seed 0: every note; else each with even chance. -EIO when the drive fails. */
int undo_play(struct undo_log *log, struct drive *drive, uint64_t seed);

#endif

/*
 * Opening: what is known of each folder that was named, and of all of them, while drives_open decides. On one thread.
 */
#ifndef CAIRN_DRIVE_OPENING_H
#define CAIRN_DRIVE_OPENING_H

#include "objstore/drive/format.h"
#include "objstore/drive/set.h"

enum folder_kind {
    FOLDER_ABSENT, /* can't be opened or read; error says why */
    FOLDER_EMPTY,
    FOLDER_OCCUPIED, /* has files, but no superblock */
    FOLDER_DAMAGED,  /* its superblock does not verify */
    FOLDER_FORMING,
    FOLDER_READY,
    FOLDER_KINDS
};

struct folder {
    const char *path;
    struct drive *drive;
    enum folder_kind kind;
    int error;
    bool placed;
    struct superblock super; /* of FORMING and READY */
};

struct opening {
    const struct drives_options *options;
    struct folder *folders;
    size_t count;
    size_t kinds[FOLDER_KINDS];
    struct buf *message;
};

/* ---- folder.c ---- */

/* Adds a sentence to the message. */
void opening_say(struct opening *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The message is why this folder can't be used, and nothing else; answers error. */
int opening_refuse(struct opening *o, const struct folder *f, int error, const char *why);
/* Opens and locks the folder and reads its superblock: its kind. 0, or what ends the opening: -ENOMEM, -EBUSY,
 * CAIRN_EFORMAT. */
int folder_look(struct opening *o, struct folder *f);

/* ---- forming.c ---- */

/* All folders become the drives of a new deployment. -EINVAL when their number makes no sets, -EEXIST when one is not
 * empty, errors of the drives. */
int opening_format(struct opening *o);

/* ---- recognise.c ---- */

/* Puts each drive in its place; empty folders take the places of drives that are gone. */
int opening_recognise(struct opening *o, struct drives **ret_drives);

#endif

/* Opening the drives of a deployment: look at every folder, decide, format or put each drive in its place. */
#include <errno.h>
#include <stdlib.h>

#include "objstore/drive/opening.h"
#include "objstore/drive/set_priv.h"

static int opening_look(struct opening *o)
{
    for (size_t i = 0; i < o->count; i++) {
        struct folder *f = &o->folders[i];

        f->path = o->options->paths[i];
        int r = folder_look(o, f);
        if (r < 0)
            return r;
        o->kinds[f->kind]++;
    }
    return 0;
}

int drives_open(const struct drives_options *options, struct drives **ret_drives, struct buf *ret_message)
{
    struct opening o = {.options = options, .count = options->count, .message = ret_message};

    if (options->count < 1 || options->count > DRIVES_MAX) {
        opening_say(&o, "%zu drives; a deployment has 1 to %d", options->count, DRIVES_MAX);
        return -EINVAL;
    }
    o.folders = calloc(o.count, sizeof(o.folders[0]));
    if (!o.folders)
        return -ENOMEM;
    int r = opening_look(&o);
    bool format = o.kinds[FOLDER_READY] + o.kinds[FOLDER_DAMAGED] == 0;
    if (r == 0 && format)
        r = opening_format(&o);
    if (r == 0)
        r = opening_recognise(&o, ret_drives);
    if (r == 0)
        (*ret_drives)->formatted = format;
    for (size_t i = 0; i < o.count; i++)
        drive_free(&o.folders[i].drive);
    free(o.folders);
    return r;
}

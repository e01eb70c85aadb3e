#include "objstore/data/segment_make.h"

#include <errno.h>

#include "objstore/base/errors.h"
#include "objstore/data/chores.h"
#include "objstore/data/ids.h"
#include "objstore/data/record.h"
#include "objstore/data/segment.h"
#include "objstore/drive/drive.h"

struct creation {
    uint64_t id;
    struct segment_record record;
    struct segment *segment;
};

static int record_creation(struct index_txn *txn, void *arg)
{
    struct creation *c = arg;

    return segment_put_record(txn, c->id, &c->record);
}

static int create_file(struct erasure_set *set, unsigned place, void *arg)
{
    struct creation *c = arg;
    struct drive *drive = drive_set_get(set->drives, place);
    struct drive_file *file = NULL;
    char name[SEGMENT_NAME_MAX];

    if (!drive)
        return -ENODEV;
    segment_name(c->id, name);
    int r = drive_open(drive, name, DRIVE_CREATE, &file);
    if (r == 0)
        r = drive_reserve(file, c->record.size);
    if (r == 0)
        r = drive_file_sync(file, DRIVE_PATIENT);
    if (r == 0)
        r = drive_sync_folder(drive, DRIVE_DATA_FOLDER);
    place_note(set, place, true, r);
    if (r < 0) {
        drive_file_close(&file);
        (void)drive_unlink(drive, name); /* if it stays, settling or the next start removes it */
        return r;
    }
    segment_add_file(c->segment, place, file);
    return 0;
}

/* Files that could not be made are removed by settling: the index has the segment, and no blob in it. */
int segment_make(struct erasure_set *set, struct ids *ids, struct chores *chores, uint64_t size, uint32_t places,
                 struct room *ret_room)
{
    struct creation c = {
        .record = {.size = size, .state = SEGMENT_OPEN, .set = (uint16_t)set->number},
    };
    int r = ids_new(ids, &c.id), error = 0;

    if (r == 0)
        r = index_apply(set->index, record_creation, &c, INDEX_DURABLE);
    if (r < 0)
        return r;
    c.segment = segment_get(set, c.id);
    if (!c.segment)
        return -ENOMEM;
    uint32_t made = places_run(set, places, create_file, &c, &error);
    uint32_t slow = places & ~made & ~drive_set_online(set->drives);
    pthread_mutex_lock(&c.segment->lock);
    c.segment->absent = ~made;
    pthread_mutex_unlock(&c.segment->lock);
    if ((unsigned)__builtin_popcount(made) < drive_set_quorum(set->drives)) {
        chores_settle(chores, c.segment);
        return error == -ENOSPC ? -ENOSPC : CAIRN_EQUORUM;
    }
    *ret_room = (struct room){
        .segment = c.segment,
        .size = size,
        .passed = (~places | slow) & places_all(set),
    };
    return 0;
}

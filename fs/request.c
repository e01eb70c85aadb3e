#include "fs/again.h"
#include "objstore/base/clock.h"

/* A signal that comes while the server works as usual must not break a call that POSIX says is not interrupted: tools
 * with timers (git) would see EINTR from stat(). Only a request that has waited for so long gives in. */
#define PATIENCE_NS NS_PER_SEC

static _Thread_local fuse_req_t current;
static _Thread_local int64_t current_since;
static struct fs *the_fs; /* set before there are threads: remote's question has no argument */

void request_set_fs(struct fs *fs)
{
    the_fs = fs;
}

void request_note(fuse_req_t req)
{
    current = req;
    current_since = clock_mono_ns();
}

void request_unnote(void)
{
    current = NULL;
}

bool request_interrupted(void)
{
    int64_t give_up = the_fs ? atomic_load(&the_fs->give_up) : 0;

    if (give_up && clock_mono_ns() > give_up)
        return true;
    return current && clock_mono_ns() - current_since > PATIENCE_NS &&
           (fuse_req_interrupted(current) || atomic_load(&the_fs->ending));
}

bool request_begin(struct request *r, fuse_req_t req)
{
    *r = (struct request){.fs = fuse_req_userdata(req), .req = req};
    r->call = call_get(r->fs);
    if (!r->call) {
        fuse_reply_err(req, ENOMEM);
        return false;
    }
    r->since = changes_now(&r->fs->changes);
    request_note(req);
    return true;
}

void request_end(struct request *r)
{
    request_unnote();
    call_put(r->fs, r->call);
}

void reply_error(fuse_req_t req, int error)
{
    if (error == -ESTALE)
        again_begin(fuse_req_userdata(req), req);
    fuse_reply_err(req, error < 0 ? cairn_errno(error) : 0);
}

#include <time.h>

#include "fs/remote_priv.h"
#include "objstore/base/clock.h"

#define PAUSE_FIRST_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS NS_PER_SEC
#define POLL_NS (50 * NS_PER_MS) /* how soon a pause notices an interruption */

/* How far the tries have come. */
struct attempt {
    int64_t deadline; /* monotonic ns, 0 for none */
    int64_t pause;
    bool unknown; /* a try was sent and not answered, or with a 5xx: it may have run */
    bool mended;  /* the session, once */
};

static bool worth_repeating(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EAGAIN:
        return true;
    default:
        return false;
    }
}

static int pause_for(struct remote *remote, int64_t ns)
{
    for (int64_t until = clock_mono_ns() + ns; clock_mono_ns() < until;) {
        if (atomic_load(&remote->stopping) || (remote->interrupted && remote->interrupted()))
            return -EINTR;
        struct timespec t = {0, POLL_NS < ns ? POLL_NS : ns};
        nanosleep(&t, NULL);
    }
    return 0;
}

/* 0 to try again; -EIO, -EINTR. */
static int wait_turn(struct remote *remote, struct attempt *attempt)
{
    if (attempt->deadline && clock_mono_ns() + attempt->pause > attempt->deadline)
        return -EIO;
    int r = pause_for(remote, attempt->pause);
    attempt->pause = attempt->pause * 2 < PAUSE_MAX_NS ? attempt->pause * 2 : PAUSE_MAX_NS;
    return r;
}

/* After a try that failed: waits and answers 0 to try again, or the error to give up with. */
static int pause_after(struct remote *remote, struct attempt *attempt, int error)
{
    if (!worth_repeating(error))
        return error == -ENXIO ? -ESTALE : error;
    if (error != -ECONNREFUSED && error != -EHOSTUNREACH)
        attempt->unknown = true;
    return wait_turn(remote, attempt);
}

/* After a reply that tells of trouble with the session: 0 to try again. A session that does not stay mended is no
 * reason to hurry. */
static int mend(struct remote *remote, uint16_t status, uint64_t epoch, struct slot *slot, bool fragile,
                struct attempt *attempt)
{
    int r = session_mend(remote, status, epoch);
    if (r < 0)
        return r;
    if (session_current(remote).epoch != epoch) {
        if (fragile && attempt->unknown)
            return -EIO; /* it may have run in the session that is gone */
        if (slot->number != POSIX_SLOT_NONE)
            slot_renumber(remote, slot);
    }
    bool again = attempt->mended;
    attempt->mended = true;
    return again ? wait_turn(remote, attempt) : 0;
}

int attempt_until_answered(struct remote *remote, attempt_once *once, void *arg, struct slot *slot, bool fragile)
{
    int64_t soft = remote->soft_deadline_ns;
    struct attempt attempt = {.deadline = soft ? clock_mono_ns() + soft : 0, .pause = PAUSE_FIRST_NS};
    for (;;) {
        struct session session = session_current(remote);
        uint16_t status = 0;
        int r = once(arg, &session, slot, &status);
        if (r == 0 && status == 0)
            return 0;
        if (r == 0)
            r = mend(remote, status, session.epoch, slot, fragile, &attempt);
        if (r < 0 && (r = pause_after(remote, &attempt, r)) < 0)
            return r;
    }
}

/*
 * Sessions: README.md has the table of their states. The table is in memory; records.c keeps what must outlive the
 * process.
 */
#include <assert.h>
#include <stdlib.h>

#include "server/posix/posix_priv.h"

#define TEND_EVERY_NS (NS_PER_SEC / 2)
#define LATE_NS NS_PER_SEC /* past that the process did not run: stopped, or its machine was */

/* ================================================================ the table; posix.lock is held */

static struct session **slot_of(struct posix *posix, const uint8_t id[POSIX_SESSION_ID])
{
    return &posix->table[get_le32(id) % SESSION_SLOTS]; /* ids are random; who chooses others only slows itself */
}

static struct session *find(struct posix *posix, const uint8_t id[POSIX_SESSION_ID])
{
    struct session *session = *slot_of(posix, id);
    while (session && memcmp(session->id, id, POSIX_SESSION_ID) != 0)
        session = session->next;
    return session;
}

static void unlink_session(struct posix *posix, struct session *session)
{
    struct session **at = slot_of(posix, session->id);
    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
    posix->count--;
}

static bool is_owner(const struct session *session, const struct posix_caller *caller)
{
    return span_is(caller->bucket, session->bucket) && span_is(caller->access_key, session->access_key);
}

/* ================================================================ references */

bool posix_session_is_behind(const struct posix *posix, const struct session *session)
{
    return session->state == SESSION_ADOPTED || session->mark != index_mark(posix->index);
}

static int check(const struct posix *posix, const struct session *session, uint64_t generation,
                 const struct posix_caller *caller, bool reclaiming)
{
    if (!session || session->generation != generation)
        return CAIRN_ESESSION;
    if (!is_owner(session, caller))
        return -EACCES;
    return !reclaiming && posix_session_is_behind(posix, session) ? -EREMCHG : 0;
}

int posix_session_get(struct posix *posix, const uint8_t id[POSIX_SESSION_ID], uint64_t generation,
                      const struct posix_caller *caller, bool reclaiming, struct session **ret_session)
{
    pthread_mutex_lock(&posix->lock);
    struct session *session = find(posix, id);
    int rc = check(posix, session, generation, caller, reclaiming);
    if (rc == 0) {
        session->refs++;
        session->deadline = clock_mono_ns() + session->lease_ns;
        *ret_session = session;
    }
    pthread_mutex_unlock(&posix->lock);
    return rc;
}

int posix_session_reopen(struct posix *posix, const uint8_t id[POSIX_SESSION_ID], const struct posix_caller *caller,
                         struct session **ret_session)
{
    pthread_mutex_lock(&posix->lock);
    const struct session *session = find(posix, id);
    uint64_t generation = session ? session->generation : 0;
    pthread_mutex_unlock(&posix->lock);
    return posix_session_get(posix, id, generation, caller, true, ret_session);
}

static void session_free(struct session *session)
{
    handles_release(&session->handles);
    pthread_mutex_destroy(&session->lock);
    free(session);
}

void posix_session_put(struct posix *posix, struct session **session_at)
{
    struct session *session = *session_at;
    if (!session)
        return;
    *session_at = NULL;
    pthread_mutex_lock(&posix->lock);
    bool last = --session->refs == 0;
    pthread_mutex_unlock(&posix->lock);
    if (last)
        session_free(session);
}

/* ================================================================ life */

static void copy_text(char *to, size_t cap, struct span from)
{
    assert(from.len < cap);
    memcpy(to, from.ptr ? from.ptr : "", from.len);
}

static struct session *session_new(const struct session_record_parts *parts, enum session_state state)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    memcpy(session->id, parts->id, POSIX_SESSION_ID);
    session->generation = parts->generation;
    session->lease_ns = parts->lease_ms * NS_PER_MS;
    session->deadline = clock_mono_ns() + session->lease_ns;
    session->state = state;
    session->refs = 2; /* the table's and the caller's */
    copy_text(session->bucket, sizeof(session->bucket), parts->bucket);
    copy_text(session->access_key, sizeof(session->access_key), parts->access_key);
    copy_text(session->name, sizeof(session->name), parts->name);
    pthread_mutex_init(&session->lock, NULL);
    return session;
}

int posix_session_add(struct posix *posix, const struct session_record_parts *parts, enum session_state state,
                      struct session **ret_session)
{
    struct session *session = session_new(parts, state);
    if (!session)
        return -ENOMEM;
    session->mark = index_mark(posix->index);
    pthread_mutex_lock(&posix->lock);
    bool full = posix->count >= posix->options.sessions_max && state == SESSION_LIVE;
    if (!full) {
        struct session **at = slot_of(posix, session->id);
        session->next = *at;
        *at = session;
        posix->count++;
        push_join(posix->push, &session->push, session->generation);
    }
    pthread_mutex_unlock(&posix->lock);
    if (full) {
        session_free(session);
        return -EUSERS;
    }
    *ret_session = session;
    return 0;
}

static int adopt(const struct session_record_parts *parts, void *arg)
{
    struct posix *posix = arg;
    struct session *session;
    int rc = posix_session_add(posix, parts, SESSION_ADOPTED, &session);
    if (rc == 0)
        posix_session_put(posix, &session);
    return rc;
}

int posix_sessions_adopt(struct posix *posix)
{
    return posix_record_each(posix, adopt, posix);
}

static void drop_handles(struct posix *posix, struct session *session)
{
    pthread_mutex_lock(&session->lock);
    struct handles handles = session->handles;
    session->handles = (struct handles){0};
    pthread_mutex_unlock(&session->lock);
    for (size_t i = 0; i < handles.size; i++)
        if (handles.places[i].handle)
            ns_unhold(posix->ns, handles.places[i].ino);
    handles_release(&handles);
}

/* posix.lock is held. False when another has ended it. */
static bool fence(struct posix *posix, struct session *session)
{
    if (session->state == SESSION_ENDED)
        return false;
    unlink_session(posix, session);
    session->state = SESSION_ENDED;
    return true;
}

/* What follows the fence. A record that can't be deleted now is adopted by the next start, and expires again there. */
static void bury(struct posix *posix, struct session *session)
{
    posix_record_forget(posix, session->id);
    drop_handles(posix, session);
    push_leave(posix->push, &session->push);
    posix_session_put(posix, &session); /* the table's reference */
}

void posix_session_end(struct posix *posix, struct session *session)
{
    pthread_mutex_lock(&posix->lock);
    bool ours = fence(posix, session);
    pthread_mutex_unlock(&posix->lock);
    if (ours)
        bury(posix, session);
}

void posix_session_reclaimed(struct posix *posix, struct session *session, uint64_t mark)
{
    pthread_mutex_lock(&posix->lock);
    session->mark = mark;
    if (session->state == SESSION_ADOPTED)
        session->state = SESSION_LIVE;
    pthread_cond_signal(&posix->wake);
    pthread_mutex_unlock(&posix->lock);
}

/* ================================================================ expiry */

/* posix.lock is held: takes one session whose lease is over out of the table; counts those that have to reclaim. */
static struct session *take_expired(struct posix *posix, int64_t now, bool *ret_adopted)
{
    *ret_adopted = false;
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        for (struct session *session = posix->table[i]; session; session = session->next) {
            if (session->deadline <= now && fence(posix, session))
                return session;
            *ret_adopted |= session->state == SESSION_ADOPTED;
        }
    return NULL;
}

void posix_sessions_tend(struct posix *posix)
{
    uint64_t mark = index_mark(posix->index);
    struct session *session;
    bool adopted;
    do {
        pthread_mutex_lock(&posix->lock);
        session = take_expired(posix, clock_mono_ns(), &adopted);
        pthread_mutex_unlock(&posix->lock);
        if (session)
            bury(posix, session);
    } while (session);
    if (!adopted && (!posix->reaped || posix->reaped_mark != mark)) {
        posix->reaped = ns_reap_orphans(posix->ns) == 0;
        posix->reaped_mark = mark;
    }
}

void posix_sessions_excuse(struct posix *posix, int64_t ns)
{
    pthread_mutex_lock(&posix->lock);
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        for (struct session *session = posix->table[i]; session; session = session->next)
            session->deadline += ns;
    pthread_mutex_unlock(&posix->lock);
}

/* The clock itself, which no test sets. */
static int64_t running_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

/* Sleeps until the next round. Answers how much too long that was. */
static int64_t keeper_sleep(struct posix *posix)
{
    int64_t until = running_ns() + TEND_EVERY_NS;
    struct timespec deadline = {.tv_sec = until / NS_PER_SEC, .tv_nsec = until % NS_PER_SEC};
    pthread_mutex_lock(&posix->lock);
    if (!posix->stop)
        pthread_cond_timedwait(&posix->wake, &posix->lock, &deadline);
    pthread_mutex_unlock(&posix->lock);
    return running_ns() - until;
}

static bool keeper_stopping(struct posix *posix)
{
    pthread_mutex_lock(&posix->lock);
    bool stop = posix->stop;
    pthread_mutex_unlock(&posix->lock);
    return stop;
}

static void *keeper_thread(void *arg)
{
    struct posix *posix = arg;
    while (!keeper_stopping(posix)) {
        posix_sessions_tend(posix);
        int64_t late = keeper_sleep(posix);
        if (late > LATE_NS)
            posix_sessions_excuse(posix, late);
    }
    return NULL;
}

int posix_keeper_start(struct posix *posix)
{
    int rc = -pthread_create(&posix->keeper, NULL, keeper_thread, posix);
    posix->running = rc == 0;
    return rc;
}

void posix_keeper_stop(struct posix *posix)
{
    if (!posix->running)
        return;
    pthread_mutex_lock(&posix->lock);
    posix->stop = true;
    pthread_cond_signal(&posix->wake);
    pthread_mutex_unlock(&posix->lock);
    pthread_join(posix->keeper, NULL);
    posix->running = false;
}

void posix_sessions_release(struct posix *posix)
{
    for (size_t i = 0; i < SESSION_SLOTS; i++)
        while (posix->table[i]) {
            struct session *session = posix->table[i];
            pthread_mutex_lock(&posix->lock);
            fence(posix, session);
            pthread_mutex_unlock(&posix->lock);
            push_leave(posix->push, &session->push);
            posix_session_put(posix, &session);
        }
}

/* ================================================================ handles and sequences */

/* session.lock is held. */
static int set_aside(struct session *session, size_t count)
{
    if (session->handles.used + session->promised + count > POSIX_HANDLES_MAX)
        return -EMFILE;
    int rc = count ? handles_reserve(&session->handles, session->promised + count) : 0;
    if (rc == 0)
        session->promised += count;
    return rc;
}

/* session.lock is held. */
static int admit(struct session *session, uint64_t slot, uint64_t sequence)
{
    if (slot == POSIX_SLOT_NONE)
        return 0;
    if (slot >= POSIX_SLOTS)
        return -EBADSLT;
    if (sequence < session->sequences[slot] || sequence == 0)
        return -EALREADY;
    session->sequences[slot] = sequence;
    return 0;
}

int posix_session_begin(struct session *session, uint64_t slot, uint64_t sequence, size_t count)
{
    pthread_mutex_lock(&session->lock);
    int rc = admit(session, slot, sequence);
    if (rc == 0)
        rc = set_aside(session, count);
    pthread_mutex_unlock(&session->lock);
    return rc;
}

void posix_session_settle(struct session *session, size_t count)
{
    pthread_mutex_lock(&session->lock);
    session->promised -= count;
    pthread_mutex_unlock(&session->lock);
}

bool posix_session_keep(struct session *session, uint64_t slot, uint64_t sequence, uint64_t handle, uint64_t ino)
{
    pthread_mutex_lock(&session->lock);
    bool current = slot == POSIX_SLOT_NONE || session->sequences[slot] == sequence;
    bool kept = session->state != SESSION_ENDED && current && handles_put(&session->handles, handle, ino);
    pthread_mutex_unlock(&session->lock);
    return kept;
}

void posix_session_drop(struct posix *posix, struct session *session, uint64_t handle)
{
    uint64_t ino;
    pthread_mutex_lock(&session->lock);
    bool had = handles_take(&session->handles, handle, &ino);
    pthread_mutex_unlock(&session->lock);
    if (had)
        ns_unhold(posix->ns, ino);
}

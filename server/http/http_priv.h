/*
 * Inside server/http: connections, and the exchange of one request and its reply.
 *
 * A connection is small and lives as long as its socket. Everything large (buffers, arena, request) belongs to the
 * exchange, of which each worker has one, so an idle connection costs only its struct, and a request in steady state no
 * allocation.
 *
 * Who owns a connection (owner):
 *
 *   owner    meaning                           leaves it by
 *   WAITING  in epoll, nobody looks at it      a worker takes it when an event comes; the keeper when its deadline is
 *                                              over
 *   BUSY     one worker has it                 that worker: to WAITING, to the park, or closed
 *   REAPED   the keeper shut its socket down   the worker that then gets the event closes it
 *
 * What a connection does next (stage): PROXY header → TLS HANDSHAKE → REQUEST (and again) → LINGER (reply sent, what
 * the peer still sends is dropped for a moment so that it gets to read the reply) → closed.
 *
 * Locks, in order: server.lock (list of connections) → park.lock → parked.lock. None is taken on the path of a
 * kept-alive request.
 */
#ifndef CAIRN_HTTP_PRIV_H
#define CAIRN_HTTP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/http/body.h"
#include "server/http/seats.h"
#include "server/http/server.h"
#include "server/net/stream.h"
#include "server/wire/date.h"
#include "server/wire/http_chunked.h"

/* ---- limits that are not options ---- */

#define INPUT_SIZE (2 * HTTP_HEAD_MAX) /* a head, and behind it room for a chunked body on its way */
#define INPUT_STEP (16u * 1024)        /* read at once while looking for a head */
#define JOIN_MAX (16u * 1024)          /* pieces of a reply up to this are gathered into one write */
#define REPLY_HEADERS_MAX (64u * 1024) /* of one reply */
#define DRAIN_MAX (256u * 1024)        /* an unread body up to this is read and dropped to keep the connection */
#define LINGER_MAX (64u * 1024 * 1024) /* … and up to this before it is closed: many clients read when all is sent */
#define LINGER_NS (5 * NS_PER_SEC)
#define REQUESTS_PER_TURN 64 /* then other connections get their turn */
#define ACCEPTS_PER_TURN 16
#define OVERTIME_NS (5 * NS_PER_MS)
#define PARKED_QUEUE_MAX (1024u * 1024)

/* ---- what epoll points at ---- */

enum source_kind { SOURCE_WAKE, SOURCE_LISTENER, SOURCE_CONNECTION };

struct source {
    enum source_kind kind;
};

struct listener_source {
    struct source source;
    const struct listener *listener;
    atomic_bool paused; /* not armed: no room, or no descriptors */
};

enum connection_stage { STAGE_PROXY, STAGE_HANDSHAKE, STAGE_REQUEST, STAGE_LINGER };
enum connection_owner { OWNER_WAITING, OWNER_BUSY, OWNER_REAPED };

struct http_connection {
    struct source source;
    struct http_server *server;
    struct http_connection *next, *prev; /* server.lock */
    struct stream stream;
    enum connection_stage stage;
    bool registered;              /* in the workers' epoll */
    bool trusted;                 /* the peer is a trusted proxy */
    bool secure;                  /* TLS to us, or said so by a trusted PROXY header */
    _Atomic int owner;            /* enum connection_owner */
    _Atomic int64_t deadline;     /* while WAITING */
    _Atomic int64_t armed;        /* when it became WAITING */
    int64_t stage_deadline;       /* of a handshake or a head that has begun; 0: not begun */
    unsigned default_port;        /* of the listener */
    struct buf saved;             /* part of a head, or requests not begun; empty when idle */
    size_t scanned;               /* of saved, by the head's parser */
    uint64_t lingered;            /* bytes dropped */
    struct sockaddr_storage peer; /* through the PROXY header */
};

/* ---- one request and its reply ---- */

struct deferred {
    struct deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

/* How long a peer may keep us waiting: idle_ns at once, and in all no longer than that plus what its bytes earn at
 * rate_min. */
struct patience {
    int64_t waited;
    uint64_t moved;
};

struct raw_body {
    struct http_body body; /* first: the lowest stage */
    enum { RAW_NONE, RAW_LENGTH, RAW_CHUNKED } kind;
    bool done;
    bool broken;       /* the framing is lost or the peer gone: nothing more can be read of this connection */
    bool continue_due; /* the client waits for 100 Continue */
    uint64_t left;     /* RAW_LENGTH */
    uint64_t received;
    struct http_chunked chunked;
    struct patience patience;
};

enum reply_state { REPLY_NONE, REPLY_BEGUN, REPLY_DONE };

struct reply {
    enum reply_state state;
    int status;
    bool bodiless; /* HEAD, 204, 304: bytes are dropped */
    bool chunked;
    bool cut;              /* broken off: the connection can only be closed */
    uint64_t length, sent; /* of the body */
    uint64_t written;      /* bytes of body that went out */
    int64_t begun_ns;
    struct buf headers; /* those of the handler */
    struct buf out;     /* not written yet */
    struct patience patience;
};

struct http_exchange {
    struct http_request request; /* first */
    struct http_server *server;
    struct http_connection *connection;
    char *input;  /* INPUT_SIZE */
    size_t begin; /* input[begin … end) is received and not used */
    size_t end;
    size_t scanned;   /* of it, by the head's parser */
    size_t head_size; /* input[0 … head_size) is the head of the request in work */
    bool close_after;
    bool overtime;  /* has given its seat up until it is over */
    int body_error; /* of http_body_read; stays */
    bool body_ended;
    struct http_parked *parked; /* by the handler */
    struct deferred *deferred;
    struct raw_body raw;
    struct reply reply;
    uint64_t id_state;    /* of the request ids */
    int64_t date_second;  /* of date_lines */
    char date_lines[160]; /* "Server: …", "Date: …", "x-amz-id-2: …" */
};

struct park;

struct http_server {
    struct http_server_options options;
    char host_id[17];
    int epoll_fd;
    int wake_fd;
    struct source wake;
    struct listener_source *listeners;
    struct seats *seats;
    struct park *park;
    struct http_metrics metrics;
    atomic_bool stopping;
    bool started;

    pthread_mutex_t lock;   /* guards those below */
    pthread_cond_t changed; /* connections went to 0, or the keeper must look */
    struct http_connection *connections;
    unsigned connection_count;
    bool keeper_quit;
    pthread_t keeper;
};

static inline struct http_exchange *exchange_of(struct http_request *request)
{
    return (struct http_exchange *)request;
}

/* exchange.c */
int exchange_new(struct http_server *server, struct http_exchange **ret_exchange);
void exchange_free(struct http_exchange **exchange);
/* Tells this thread which pool it belongs to, so that its waits give the seat up. */
void exchange_thread_begin(struct seats *seats);
/* To be called now and then: a request that takes longer than OVERTIME_NS is no short one. It gives its seat up for the
 * rest of its time, and leaves it to the kernel to share the cores, or two large uploads would keep every small request
 * waiting. */
void exchange_look_at_clock(struct http_exchange *x);
/* Waits for what the stream wants, giving the seat up. 0, CAIRN_EDEADLINE, CAIRN_ECLOSED. */
int exchange_wait(struct http_exchange *x, struct patience *patience);
/* Takes a seat again when the request was in overtime. */
void exchange_end_overtime(struct http_exchange *x);
/* Writes all of the vector, which it changes. */
int exchange_write(struct http_exchange *x, struct iovec *iov, int count);
/* Writes what is held back. */
int exchange_flush(struct http_exchange *x);

/* serve.c */
/* The head is parsed and stands at the start of input: serves the request. true: the connection can take another. */
bool serve_request(struct http_exchange *x);
/* Answers bytes that are no request; the connection is then to be closed. */
void serve_refusal(struct http_exchange *x, int error);

/* raw_body.c */
void raw_body_begin(struct http_exchange *x);
/* Reads what is left of the body and drops it, within bounds. true: the connection stands at the next request. */
bool raw_body_drain(struct http_exchange *x);
/* Whether raw_body_drain is going to succeed, as far as can be told without waiting. */
bool raw_body_drainable(const struct http_exchange *x);

/* reply.c */
void reply_reset(struct http_exchange *x);

/* forwarded.c: sets client, secure and forwarded_host of the request from what a trusted proxy says. */
void forwarded_apply(struct http_request *request, const struct net_cidr *trusted, size_t trusted_count);

/* connection.c */
struct http_connection *connection_new(struct http_server *server, const struct listener *listener, int fd,
                                       const struct sockaddr_storage *peer);
/* One that is on the roster; accepts NULL. */
void connection_close(struct http_connection **connection);
/* One that is not. */
void connection_free(struct http_connection **connection);
/* Gives a BUSY connection back to epoll until deadline; from then on it is not the caller's. */
void connection_arm(struct http_connection *c, uint32_t events, int64_t deadline);

/* turn.c: a worker's turn with a connection that epoll named. */
void turn_take(struct http_connection *c, struct http_exchange *x);

/* roster.c: the list of connections. Takes server.lock. */
/* Who stops must see the last connection go, so none comes once it has begun: false then. */
bool roster_add(struct http_server *server, struct http_connection *c);
void roster_remove(struct http_server *server, struct http_connection *c);
/* As many as options allow. */
bool roster_full(struct http_server *server);

/* park.c */
int park_new(struct park **ret_park);
void park_free(struct park **park);
/* Closes all streams and ends the thread. */
void park_stop(struct park *park);
unsigned park_count(struct park *park);
/* The handler has returned: the stream goes on by itself, beginning with bytes. Takes the connection over. */
void park_begin(struct http_parked *parked, struct http_connection *c, struct span bytes);
/* The handler has returned and the reply broke off: on_close is called, and that's it. */
void park_abandon(struct http_parked *parked);

#endif

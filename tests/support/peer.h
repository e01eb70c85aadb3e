/*
 * A server that does what a script says, for tests of clients: one connection at a time, in a thread of its own. A step
 * finds no connection waits for one, and is over when that fails in TLS. Everything asserts: a failure ends the test;
 * steps give up after ten seconds.
 */
#ifndef CAIRN_TESTS_PEER_H
#define CAIRN_TESTS_PEER_H

#include <stdatomic.h>

#include "server/wire/http_head.h"

enum peer_action {
    PEER_END,   /* of the script; the connection is closed when the client does, or the test ends */
    PEER_TAKE,  /* a whole request: the last one is in head and body */
    PEER_HEAD,  /* a request's head alone */
    PEER_SEND,  /* text, len bytes */
    PEER_DRIP,  /* text, byte by byte */
    PEER_CLOSE, /* the connection, in good order */
    PEER_RESET, /* the connection, with a reset */
    PEER_SLAM,  /* closes a new connection at once, before TLS */
    PEER_DRAIN, /* says that nothing more is coming, and drops what comes until the client closes */
    PEER_WAIT,  /* until the client closes, or the test ends */
    PEER_TURN   /* waits for peer_turn: that the client has read what was sent */
};

struct peer_step {
    enum peer_action action;
    const char *text;
    size_t len;
};
/* clang-format off */
#define PEER_DO(action) {(action), NULL, 0}
#define PEER_TEXT(action, text) {(action), (text), sizeof(text) - 1}
/* clang-format on */

enum peer_kind { PEER_TCP, PEER_UNIX, PEER_TLS };

struct peer {
    char endpoint[160];                       /* for a client */
    char ca_file[96];                         /* PEER_TLS: the certificate, which is for "localhost" */
    atomic_uint connections, requests, steps; /* so far; steps that are over */
    /* after peer_stop, or when the client has the reply */
    char bytes[64 * 1024]; /* of the last request's head */
    struct http_head head;
    struct buf body;
    struct peer_state *state;
};

/* The script ends with PEER_END and lives until peer_stop. */
void peer_start(struct peer *peer, enum peer_kind kind, const struct peer_step *script);
/* Goes on from PEER_TURN. */
void peer_turn(struct peer *peer);
/* Waits until so many steps are over. */
void peer_wait(struct peer *peer, unsigned steps);
/* Waits for the script's end, and asserts that it came to it. */
void peer_stop(struct peer *peer);

#endif

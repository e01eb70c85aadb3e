/*
 * The HTTP server alone, with a handler that answers 4 KiB: tests/bench/http_bench.py drives it.
 * usage: http_bench ADDRESS SEATS      (SEATS 0: as many as cores); ends with its standard input
 */
#include <stdio.h>
#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "server/http/server.h"

static const char body[4096];

static int pass(struct http_request *request, void *arg)
{
    (void)arg;
    request->operation = "Bench";
    return 0;
}

static int answer(struct http_request *request, void *arg)
{
    (void)arg;
    return http_reply_bytes(request, 200, "application/octet-stream", span_make(body, sizeof(body)));
}

static int fail(struct http_request *request, int status, int error)
{
    return http_reply_bytes(request, status, "text/plain", span_cstr(cairn_strerror(error)));
}

int main(int argc, char **argv)
{
    char message[256] = "usage: http_bench ADDRESS SEATS";
    struct listener listeners[LISTENERS_PER_ADDRESS];
    int count =
        argc == 3 ? listener_open(argv[1], listeners, LISTENERS_PER_ADDRESS, message, sizeof(message)) : -EINVAL;
    if (count < 0) {
        fprintf(stderr, "%s\n", message);
        return EXIT_FAILURE;
    }
    struct http_server_options options = {.listeners = listeners,
                                          .listener_count = (size_t)count,
                                          .verify = pass,
                                          .handle = answer,
                                          .fail = fail,
                                          .seats = (unsigned)atoi(argv[2])};
    struct http_server *server;
    if (http_server_new(&options, &server) < 0 || http_server_start(server) < 0)
        return EXIT_FAILURE;
    printf("%s\n", listeners[0].text);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    int rc = http_server_stop(server, clock_mono_ns() + NS_PER_SEC);
    http_server_free(&server);
    for (int i = 0; i < count; i++)
        listener_close(&listeners[i]);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Who is at the other end: proxies, unix sockets, TLS. */
#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/net/address.h"
#include "server/net/tls.h"
#include "tests/support/certificate.h"
#include "tests/support/http_bed.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct http_bed bed;
static struct http_bed_reply reply;
static char folder[64];

/* "client secure forwarded-host" */
static int tell_peer(struct http_request *request, void *arg)
{
    (void)arg;
    char client[NET_ADDRESS_TEXT];
    net_address_host(&request->client, client);
    struct span text = arena_printf(&request->arena, "%s %s " SPAN_FMT, client, request->secure ? "https" : "http",
                                    SPAN_ARG(request->forwarded_host));
    return http_reply_bytes(request, 200, "text/plain", text);
}

static void init(void)
{
    snprintf(folder, sizeof(folder), "/tmp/cairn-peers-XXXXXX");
    cr_assert(mkdtemp(folder));
    bed.options.handle = tell_peer;
}

static void fini(void)
{
    if (bed.server)
        http_bed_stop(&bed);
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(http_peers, .init = init, .fini = fini, .timeout = 60);

static void trust(const char *a, const char *b)
{
    static struct net_cidr trusted[2];
    cr_assert_eq(net_cidr_parse(span_cstr(a), &trusted[0]), 0);
    cr_assert_eq(net_cidr_parse(span_cstr(b), &trusted[1]), 0);
    bed.options.trusted = trusted;
    bed.options.trusted_count = 2;
}

/* The body of the reply to head lines, sent after prefix. */
static const char *ask(const char *prefix, const char *lines)
{
    char text[2048];
    snprintf(text, sizeof(text), "%sGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", prefix, lines);
    const char *body = strstr(http_bed_talk(&bed, text), "\r\n\r\n");
    return body ? body + 4 : "";
}

static const struct {
    const char *lines, *told;
} forwarded[] = {
    {"", "127.0.0.1 http "},
    {"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: s3.example.org\r\n",
     "192.0.2.7 https s3.example.org"},
    {"X-Forwarded-For: 198.51.100.9, 192.0.2.7, 10.1.1.1\r\n", "192.0.2.7 http "},
    {"X-Forwarded-For: 10.1.1.1, 10.1.1.2\r\n", "10.1.1.1 http "},
    {"X-Forwarded-For: 192.0.2.7, unknown\r\n", "127.0.0.1 http "},
    {"Forwarded: for=192.0.2.7;proto=https;host=s3.example.org\r\nX-Forwarded-For: 192.0.2.7\r\n",
     "192.0.2.7 https s3.example.org"},
    /* two tellings that differ: one of them may be the client's own */
    {"Forwarded: for=6.6.6.6;proto=https\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n",
     "127.0.0.1 http "},
    /* a proxy may put its words on a line of their own, below the client's */
    {"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: "
     "http\r\n",
     "192.0.2.7 http "},
    {"Forwarded: for=6.6.6.6;host=a\r\nForwarded: for=192.0.2.7;host=b\r\n", "192.0.2.7 http b"},
    {"Forwarded: for=6.6.6.6, For=\"[2001:db8::7]:4711\" ; Proto=https, for=10.1.1.1\r\n", "2001:db8::7 https "},
};

Test(http_peers, a_trusted_proxy_is_believed)
{
    trust("127.0.0.1", "10.0.0.0/8");
    http_bed_start(&bed);
    for (size_t i = 0; i < COUNT(forwarded); i++)
        cr_assert_str_eq(ask("", forwarded[i].lines), forwarded[i].told);
}

Test(http_peers, anybody_else_is_not)
{
    trust("10.0.0.0/8", "unix");
    http_bed_start(&bed);
    for (size_t i = 0; i < COUNT(forwarded); i++)
        cr_assert_str_eq(ask("", forwarded[i].lines), "127.0.0.1 http ");
    cr_assert(!strstr(ask("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", ""), "192.0.2.1 http"));
}

Test(http_peers, the_proxy_protocol_says_who_connects)
{
    trust("127.0.0.1", "10.0.0.0/8");
    http_bed_start(&bed);
    cr_assert_str_eq(ask("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "X-Forwarded-For: 6.6.6.6\r\n"),
                     "192.0.2.1 http ");
    cr_assert_str_eq(ask("PROXY TCP4 10.0.0.1 198.51.100.1 56324 443\r\n", "X-Forwarded-For: 192.0.2.7\r\n"),
                     "192.0.2.7 http ");
    cr_assert_str_eq(ask("PROXY TCP4 nonsense\r\n", ""), "");
    cr_assert_str_eq(ask("", ""), "127.0.0.1 http ");
}

Test(http_peers, a_proxy_header_may_come_byte_by_byte)
{
    static const char text[] = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    trust("127.0.0.1", "10.0.0.0/8");
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        http_bed_send_bytes(fd, text + i, 1);
    http_bed_read(fd, &reply, false);
    cr_assert(span_is(reply.body, "192.0.2.1 http "));
    close(fd);
}

Test(http_peers, a_request_that_begins_like_a_proxy_header_is_a_request)
{
    static const char text[] = "PRO / HTTP/1.1\r\nHost: x\r\n\r\n";
    trust("127.0.0.1", "10.0.0.0/8");
    http_bed_start(&bed);
    int fd = http_bed_connect(&bed);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        http_bed_send_bytes(fd, text + i, 1);
    http_bed_read(fd, &reply, false);
    cr_assert(span_is(reply.body, "127.0.0.1 http "));
    close(fd);
}

Test(http_peers, unix_sockets_are_served)
{
    char address[128];
    snprintf(address, sizeof(address), "unix:%s/socket", folder);
    bed.address = address;
    trust("unix", "10.0.0.0/8");
    http_bed_start(&bed);
    cr_assert_str_eq(ask("", ""), "unix http ");
    cr_assert_str_eq(ask("", "X-Forwarded-For: 192.0.2.7\r\n"), "192.0.2.7 http ");
}

/* ---- TLS ---- */

/* A certificate of its own for one name. */
static void make_cert(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, dir);
    certificate_make(path, name);
}

/* Asks over TLS for name: the reply's body, after having asserted which certificate was shown. */
static void ask_tls(const char *name, const char *shown, char ret_body[256])
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    int fd = http_bed_connect(&bed);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, name);
    cr_assert_eq(SSL_connect(ssl), 1);
    X509 *cert = SSL_get1_peer_certificate(ssl);
    cr_assert_eq(X509_check_host(cert, shown, 0, 0, NULL), 1, "%s was not shown for %s", shown, name);
    X509_free(cert);
    cr_assert_eq(SSL_write(ssl, text, sizeof(text) - 1), (int)sizeof(text) - 1);
    char answer[4096];
    int len = 0, got;
    while ((got = SSL_read(ssl, answer + len, (int)sizeof(answer) - 1 - len)) > 0)
        len += got;
    answer[len] = '\0';
    char *body = strstr(answer, "\r\n\r\n");
    snprintf(ret_body, 256, "%s", body ? body + 4 : "");
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
}

static void start_tls(void)
{
    char message[512] = "";
    cr_assert_eq(tls_new(folder, &bed.options.tls, message, sizeof(message)), 0, "%s", message);
    http_bed_start(&bed);
}

Test(http_peers, tls_shows_the_certificate_of_the_name_asked_for)
{
    char body[256];
    make_cert(".", "default.example.org");
    make_cert("other", "other.example.org");
    start_tls();
    ask_tls("other.example.org", "other.example.org", body);
    cr_assert_str_eq(body, "127.0.0.1 https ");
    ask_tls("unknown.example.org", "default.example.org", body);
    cr_assert_str_eq(body, "127.0.0.1 https ");
    http_bed_stop(&bed);
    tls_free(&bed.options.tls);
}

Test(http_peers, tls_takes_up_new_certificates_and_keeps_the_old_when_they_are_bad)
{
    char body[256], message[512] = "", path[128];
    make_cert(".", "old.example.org");
    start_tls();
    ask_tls("x", "old.example.org", body);
    make_cert(".", "new.example.org");
    ask_tls("x", "old.example.org", body);
    cr_assert_eq(tls_reload(bed.options.tls, message, sizeof(message)), 0);
    ask_tls("x", "new.example.org", body);
    snprintf(path, sizeof(path), "%s/private.key", folder);
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert(tls_reload(bed.options.tls, message, sizeof(message)) < 0);
    cr_assert(strstr(message, "private.key"), "%s", message);
    ask_tls("x", "new.example.org", body);
    http_bed_stop(&bed);
    tls_free(&bed.options.tls);
}

Test(http_peers, plain_http_to_a_tls_port_is_just_closed)
{
    make_cert(".", "default.example.org");
    start_tls();
    cr_assert(!strstr(http_bed_talk(&bed, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "200"));
    http_bed_stop(&bed);
    tls_free(&bed.options.tls);
}

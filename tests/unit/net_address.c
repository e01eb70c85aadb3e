#include "server/net/address.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "server/net/listener.h"
#include "server/net/proxy_protocol.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address;
    cr_assert_eq(net_address_parse(span_cstr(text), &address), 0, "%s", text);
    return address;
}

Test(net_address, addresses_are_read_as_forwarded_headers_write_them)
{
    static const struct {
        const char *text, *host, *full;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", "192.0.2.1:0"},
        {"192.0.2.1:80", "192.0.2.1", "192.0.2.1:80"},
        {"2001:db8::1", "2001:db8::1", "[2001:db8::1]:0"},
        {"[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:0"},
        {"[2001:db8::1]:443", "2001:db8::1", "[2001:db8::1]:443"},
        {"::ffff:192.0.2.9", "192.0.2.9", "192.0.2.9:0"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sockaddr_storage address = address_of(rows[i].text);
        char text[NET_ADDRESS_TEXT];
        net_address_host(&address, text);
        cr_assert_str_eq(text, rows[i].host);
        net_address_format(&address, text);
        cr_assert_str_eq(text, rows[i].full);
    }
}

Test(net_address, what_is_no_address_is_refused)
{
    static const char *const rows[] = {
        "",     "unknown", "_hidden",     "192.0.2", "192.0.2.1:", "192.0.2.1:x", "1.2.3.4:65536",
        "[::1", "[::1]x",  "[::1]:99999", "::1%lo",  "1.2.3.4 ",   "example.org"};
    struct sockaddr_storage address;
    for (size_t i = 0; i < COUNT(rows); i++)
        cr_assert_eq(net_address_parse(span_cstr(rows[i]), &address), -EINVAL, "%s", rows[i]);
}

Test(net_address, a_network_has_the_addresses_of_its_prefix)
{
    static const struct {
        const char *cidr, *address;
        bool has;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"192.0.2.128/25", "192.0.2.200", true},
        {"192.0.2.128/25", "192.0.2.100", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"0.0.0.0/0", "192.0.2.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"2001:db8::/32", "2001:db8::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
        {"::/0", "10.1.1.1", true},
        {"unix", "10.1.1.1", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct net_cidr cidr;
        struct sockaddr_storage address = address_of(rows[i].address);
        cr_assert_eq(net_cidr_parse(span_cstr(rows[i].cidr), &cidr), 0);
        cr_assert_eq(net_cidr_has(&cidr, &address), rows[i].has, "%s in %s", rows[i].address, rows[i].cidr);
    }
    struct net_cidr unix_peers;
    struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    cr_assert_eq(net_cidr_parse(SPAN_LIT("unix"), &unix_peers), 0);
    cr_assert(net_cidr_any(&unix_peers, 1, &peer));
}

Test(net_address, a_network_that_is_none_is_refused)
{
    static const char *const rows[] = {"",           "10.0.0.0/33",    "10.0.0.1/8",    "10.0.0.0/",
                                       "10.0.0.0/x", "2001:db8::/129", "10.0.0.0:80/8", "host/8",
                                       "[::1]/128"};
    struct net_cidr cidr;
    for (size_t i = 0; i < COUNT(rows); i++)
        cr_assert_eq(net_cidr_parse(span_cstr(rows[i]), &cidr), -EINVAL, "%s", rows[i]);
}

/* ---- PROXY protocol ---- */

#define V2 "\r\n\r\n\0\r\nQUIT\n"

/* clang-format off */
static const struct {
    struct span bytes;
    ptrdiff_t used;
    const char *client; /* NULL: not known */
    bool secure;
} proxies[] = {
    {SPAN_LIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET"), 45, "192.0.2.1:56324", false},
    {SPAN_LIT("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"), 40, "[2001:db8::1]:1", false},
    {SPAN_LIT("PROXY UNKNOWN\r\n"), 15, NULL, false},
    {SPAN_LIT("PROXY UNKNOWN what ever it says\r\n"), 33, NULL, false},
    {SPAN_LIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n"), CAIRN_ESYNTAX, NULL, false},
    {SPAN_LIT("PROXY TCP4 2001:db8::1 198.51.100.1 56324 443\r\n"), CAIRN_ESYNTAX, NULL, false},
    {SPAN_LIT("PROXY TCP4 192.0.2.1 198.51.100.1 70000 443\r\n"), CAIRN_ESYNTAX, NULL, false},
    {SPAN_LIT("PROXY TCP4 192.0.2.1\r\n"), CAIRN_ESYNTAX, NULL, false},
    {SPAN_LIT("GET / HTTP/1.1\r\n"), -ENOMSG, NULL, false},
    {SPAN_LIT("\r\nGET /"), -ENOMSG, NULL, false},
    {SPAN_LIT(V2 "\x20\x00\x00\x00" "GET"), 16, NULL, false},
    {SPAN_LIT(V2 "\x21\x11\x00\x0c" "\xc0\x00\x02\x01" "\xc6\x33\x64\x01" "\x00\x50\x01\xbb"), 28, "192.0.2.1:80", false},
    {SPAN_LIT(V2 "\x21\x11\x00\x14" "\xc0\x00\x02\x01" "\xc6\x33\x64\x01" "\x00\x50\x01\xbb" "\x20\x00\x05\x01\x00\x00\x00\x00"), 36, "192.0.2.1:80", true},
    {SPAN_LIT(V2 "\x21\x31\x00\x00"), 16, NULL, false},
    {SPAN_LIT(V2 "\x21\x11\x00\x0b" "\xc0\x00\x02\x01" "\xc6\x33\x64\x01" "\x00\x50\x01"), CAIRN_ESYNTAX, NULL, false},
    {SPAN_LIT(V2 "\x21\x11\x00\x0f" "\xc0\x00\x02\x01" "\xc6\x33\x64\x01" "\x00\x50\x01\xbb" "\x20\x00\x05"), CAIRN_ESYNTAX, NULL, false},
    {SPAN_LIT(V2 "\x11\x11\x00\x0c"), CAIRN_ESYNTAX, NULL, false},
    {SPAN_LIT(V2 "\x21\x11\xff\xff"), CAIRN_ETOOBIG, NULL, false},
};
/* clang-format on */

Test(net_proxy, headers_are_read_and_bad_ones_refused)
{
    for (size_t i = 0; i < COUNT(proxies); i++) {
        struct proxy_header header;
        ptrdiff_t used = proxy_header_parse(proxies[i].bytes, &header);
        cr_assert_eq(used, proxies[i].used, "row %zu: %td", i, used);
        if (used <= 0)
            continue;
        cr_assert_eq(header.known, proxies[i].client != NULL, "row %zu", i);
        cr_assert_eq(header.secure, proxies[i].secure, "row %zu", i);
        char text[NET_ADDRESS_TEXT] = "";
        if (header.known)
            net_address_format(&header.client, text);
        cr_assert_str_eq(text, header.known ? proxies[i].client : "");
    }
}

Test(net_proxy, a_header_cut_anywhere_is_incomplete)
{
    for (size_t i = 0; i < COUNT(proxies); i++) {
        for (ptrdiff_t len = 0; len < proxies[i].used; len++) {
            struct proxy_header header;
            char *exact = malloc((size_t)len + 1); /* so that a byte too far is seen */
            memcpy(exact, proxies[i].bytes.ptr, (size_t)len);
            cr_assert_eq(proxy_header_parse(span_make(exact, (size_t)len), &header), 0, "row %zu, %td bytes", i, len);
            free(exact);
        }
    }
}

/* ---- listeners ---- */

static char folder[] = "/tmp/cairn-net-XXXXXX", path[64], address[80];

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(net_listener, .init = make_folder, .fini = remove_folder);

static int try_open(const char *text, struct listener *l)
{
    char message[256] = "";
    int rc = listener_open(text, l, LISTENERS_PER_ADDRESS, message, sizeof(message));
    cr_assert_eq(rc < 0, message[0] != '\0');
    return rc;
}

Test(net_listener, a_port_of_zero_becomes_a_real_one)
{
    struct listener l[LISTENERS_PER_ADDRESS];
    cr_assert_eq(try_open("127.0.0.1:0", l), 1);
    cr_assert(l[0].port > 0);
    struct listener again[LISTENERS_PER_ADDRESS];
    cr_assert_eq(try_open(l[0].text, again), -EADDRINUSE);
    listener_close(&l[0]);
    listener_close(&l[0]);
}

Test(net_listener, what_is_no_address_is_refused)
{
    static const char *const rows[] = {
        "", "9000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", "::1:9000", "unix:", "[::1]"};
    struct listener l[LISTENERS_PER_ADDRESS];
    for (size_t i = 0; i < COUNT(rows); i++)
        cr_assert_eq(try_open(rows[i], l), -EINVAL, "%s", rows[i]);
}

Test(net_listener, a_stale_unix_socket_is_replaced_and_a_live_one_is_not)
{
    struct listener l[LISTENERS_PER_ADDRESS], second[LISTENERS_PER_ADDRESS];
    cr_assert_eq(try_open(address, l), 1);
    cr_assert_eq(try_open(address, second), -EADDRINUSE);
    close(l[0].fd); /* as a crash does */
    cr_assert_eq(try_open(address, second), 1);
    listener_close(&second[0]);
    cr_assert_eq(access(path, F_OK), -1);
}

Test(net_listener, a_file_in_the_place_of_a_unix_socket_is_left_alone)
{
    struct listener l[LISTENERS_PER_ADDRESS];
    fclose(fopen(path, "w"));
    cr_assert_eq(try_open(address, l), -EEXIST);
    cr_assert_eq(access(path, F_OK), 0);
}

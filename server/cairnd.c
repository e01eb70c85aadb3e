/*
 * cairnd: parses its options, opens the store and what stands on it, serves until a signal, closes in reverse.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/log.h"
#include "objstore/base/options.h"
#include "objstore/store.h"
#include "server/admin/admin.h"
#include "server/auth/auth.h"
#include "server/http/server.h"
#include "server/net/address.h"
#include "server/net/listener.h"
#include "server/net/tls.h"
#include "server/notify.h"
#include "server/posix/posix.h"
#include "server/s3/s3.h"
#include "server/s3/s3_error.h"
#include "server/volumes.h"

#define VERSION "0.1"
#define LISTENERS_MAX 32
#define TRUSTED_MAX 64
#define DOMAINS_MAX 16
#define STOP_NS (30 * NS_PER_SEC)
#define TRIM_SECONDS 60
#define SCRUB_DAYS_MAX 3650 /* what is verified less than once in ten years is not verified */
_Static_assert(VOLUMES_MAX == 4096, "a message of add_volumes says so");
#define CREDENTIALS_NAME "root-credential" /* on the first drive, unless --credentials-file says otherwise */

static struct {
    struct option_list addresses, domains, aliases, trusted, volumes;
    const char *certs_dir, *region, *credentials_file, *user, *password, *log_level;
    uint64_t parity, scrub_days;
    int64_t stop_ns;
    bool metrics_public, help, version;
} opt = {.region = "us-east-1", .parity = UINT64_MAX, .scrub_days = 30, .stop_ns = STOP_NS, .log_level = "info"};

/* clang-format off */
static const struct option_row options[] = {
    {"address",          'a', OPTION_LIST,   &opt.addresses,        "HOST:PORT", "CAIRN_ADDRESS",          "MINIO_ADDRESS",       "listen here; also [::]:PORT, :PORT, unix:PATH; may be repeated (:9000)"},
    {"certs-dir",        'S', OPTION_STRING, &opt.certs_dir,        "DIR",       "CAIRN_CERTS_DIR",        "MINIO_CERTS_DIR",     "serve TLS with public.crt and private.key of this folder"},
    {"domain",            0,  OPTION_LIST,   &opt.domains,          "NAME",      "CAIRN_DOMAIN",           "MINIO_DOMAIN",        "also virtual-host style, bucket.NAME; may be repeated"},
    {"region",            0,  OPTION_STRING, &opt.region,           "NAME",      "CAIRN_REGION",           "MINIO_REGION",        "of this deployment; empty accepts any (us-east-1)"},
    {"host-alias",        0,  OPTION_LIST,   &opt.aliases,          "HOST",      "CAIRN_HOST_ALIAS",       NULL,                  "a host that clients sign although a proxy sends another; exact or *.suffix; may be repeated"},
    {"trusted-proxy",     0,  OPTION_LIST,   &opt.trusted,          "CIDR",      "CAIRN_TRUSTED_PROXY",    NULL,                  "peers whose PROXY protocol and forwarded headers are believed; may be repeated"},
    {"credentials-file",  0,  OPTION_STRING, &opt.credentials_file, "FILE",      "CAIRN_CREDENTIALS_FILE", NULL,                  "the root credential, made when it is not there (DRIVE/" CREDENTIALS_NAME ")"},
    {"root-user",         0,  OPTION_STRING, &opt.user,             "USER",      "CAIRN_ROOT_USER",        "MINIO_ROOT_USER",     "the root's access key; better given by the environment"},
    {"root-password",     0,  OPTION_STRING, &opt.password,         "SECRET",    "CAIRN_ROOT_PASSWORD",    "MINIO_ROOT_PASSWORD", "the root's secret; better given by the environment"},
    {"volumes",           0,  OPTION_LIST,   &opt.volumes,          "DRIVE",     "CAIRN_VOLUMES",          "MINIO_VOLUMES",       "drives, when none stands on the command line"},
    {"parity",            0,  OPTION_U64,    &opt.parity,           "M",         "CAIRN_PARITY",           NULL,                  "drives that may fail, for a new deployment (by the number of drives)"},
    {"scrub-days",        0,  OPTION_U64,    &opt.scrub_days,       "N",         "CAIRN_SCRUB_DAYS",       NULL,                  "verify every shard once in so many days; 0: only by `cairn scrub` (30)"},
    {"metrics-public",    0,  OPTION_FLAG,   &opt.metrics_public,   NULL,        "CAIRN_METRICS_PUBLIC",   NULL,                  "/cairn/metrics needs no signature"},
    {"stop-timeout",      0,  OPTION_MS,     &opt.stop_ns,          "TIME",      "CAIRN_STOP_TIMEOUT",     NULL,                  "how long requests under way may take to end at a stop (30s)"},
    {"log-level",         0,  OPTION_STRING, &opt.log_level,        "LEVEL",     "CAIRN_LOG_LEVEL",        NULL,                  "error, warn, info or debug (info)"},
    {"help",             'h', OPTION_FLAG,   &opt.help,             NULL,        NULL,                     NULL,                  "this text"},
    {"version",           0,  OPTION_FLAG,   &opt.version,          NULL,        NULL,                     NULL,                  "print the version"},
    {NULL,                0,  OPTION_FLAG,   NULL,                  NULL,        NULL,                     NULL,                  NULL},
};
/* clang-format on */

static enum log_level log_threshold; /* as --log-level has it */

/* Everything that runs, in the order in which it is opened. */
struct daemon {
    struct arena arena;
    struct volumes volumes;
    struct span domains[DOMAINS_MAX];
    struct span aliases[AUTH_ALIASES_MAX];
    struct net_cidr trusted[TRUSTED_MAX];
    unsigned ports[AUTH_PORTS_MAX];
    size_t port_count;
    struct store *store;
    struct credentials *credentials;
    struct auth *auth;
    struct s3 *s3;
    struct posix *posix;
    struct admin admin;
    struct tls *tls;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    struct http_server *server;
};

/* Says on standard error why the daemon does not start, and gives the error on. */
static int refuse(int error, const char *what, const char *why)
{
    fprintf(stderr, "cairnd: %s: %s\n", what, why && *why ? why : cairn_strerror(error));
    return error;
}

/* ---- requests ---- */

static int verify(struct http_request *request, void *arg)
{
    return auth_verify(request, ((struct daemon *)arg)->auth);
}

static int handle(struct http_request *request, void *arg)
{
    struct daemon *d = arg;
    int r;
    bool in_path = !uri_bucket_of_host(request->host, d->domains, opt.domains.count).ptr;
    if (in_path && admin_wants(request)) /* of a bucket in the host they are keys as any other */
        r = admin_handle(request, &d->admin);
    else if (posix_wants(request))
        r = posix_handle(request, d->posix);
    else
        return s3_handle(request, d->s3);
    if (r < 0 && !http_reply_begun(request)) {
        http_reply_clear(request);
        return s3_error_reply(request, r, NULL);
    }
    return r;
}

static int error_of_status(int status)
{
    switch (status) {
    case 404:
        return S3_NO_SUCH_BUCKET;
    case 408:
        return S3_REQUEST_TIMEOUT;
    case 431:
        return S3_REQUEST_HEADER_TOO_LARGE;
    case 501:
        return S3_NOT_IMPLEMENTED;
    case 503:
        return S3_SLOW_DOWN;
    case 505:
        return S3_HTTP_VERSION;
    default:
        return status >= 500 ? S3_INTERNAL : S3_BAD_REQUEST;
    }
}

static int fail(struct http_request *request, int status, int error)
{
    (void)error;
    return s3_error_reply(request, error_of_status(status), NULL);
}

static void observe(const struct http_request *request, const struct http_result *result, void *arg)
{
    (void)arg;
    enum log_level level = result->status >= 500 || result->cut ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
    if (level > log_threshold) /* its text would cost more than many a request */
        return;
    char client[NET_ADDRESS_TEXT];
    net_address_host(&request->client, client);
    log_event(level, "request", "id=%s client=%s tls=%d operation=%s status=%d cut=%d in=%llu out=%llu us=%lld",
              request->id, client, request->secure, result->operation, result->status, result->cut,
              (unsigned long long)result->bytes_in, (unsigned long long)result->bytes_out,
              (long long)(result->duration_ns / 1000));
}

/* ---- opening, one part after another ---- */

static int add_volumes(struct daemon *d, const char *argument)
{
    if (strstr(argument, "://"))
        return refuse(-EINVAL, argument, "drives are folders of this host");
    int r = volumes_expand(span_cstr(argument), &d->arena, &d->volumes);
    if (r == -E2BIG)
        return refuse(r, argument, "more than 4096 drives");
    return r < 0 ? refuse(r, argument, r == -EINVAL ? "a range is written {1...4}" : NULL) : 0;
}

static int collect_volumes(struct daemon *d, char **operands, int count)
{
    int first = count > 0 && strcmp(operands[0], "server") == 0; /* "server /data{1...4}", as people type it */
    int r = 0;
    for (int i = first; i < count && r == 0; i++)
        r = add_volumes(d, operands[i]);
    for (size_t i = 0; count == first && i < opt.volumes.count && r == 0; i++)
        r = add_volumes(d, opt.volumes.items[i]);
    if (r < 0)
        return r;
    if (d->volumes.count == 0)
        return refuse(-EINVAL, "no drives", "name one folder for each, as in cairnd /data{1...4}");
    return 0;
}

static void log_repair(void *arg, const struct repair_event *e)
{
    (void)arg;
    unsigned long long blob = e->blob, count = e->count, bytes = e->bytes;
    switch (e->kind) {
    case REPAIR_BEGINS:
        log_info("repair", "state=begins segments=%llu bytes=%llu", count, bytes);
        break;
    case REPAIR_ENDS:
        log_info("repair", "state=done blobs=%llu bytes=%llu", count, bytes);
        break;
    case REPAIR_DAMAGED:
        log_error("damaged", "blob=%llu reason=\"%s\"", blob, cairn_strerror(e->error));
        break;
    case REPAIR_FAILED:
        log_warn("repair", "state=waits reason=\"%s\"", cairn_strerror(e->error));
        break;
    }
}

static int open_store(struct daemon *d)
{
    char message[STORE_MESSAGE_MAX] = "";
    if (opt.scrub_days > SCRUB_DAYS_MAX)
        return refuse(-EINVAL, "--scrub-days", "it takes 0 to 3650");
    struct store_options o = {.drives = d->volumes.paths,
                              .drive_count = d->volumes.count,
                              .repair_event = log_repair,
                              .scrub_period = opt.scrub_days ? (int64_t)opt.scrub_days * 24 * 3600 * NS_PER_SEC : -1,
                              .parity = opt.parity == UINT64_MAX ? STORE_PARITY_DEFAULT : (int)opt.parity};
    int r = store_open(&o, &d->store, message, sizeof message);
    if (r < 0)
        return refuse(r, "the store does not open", message);
    if (message[0])
        log_warn("store", "message=\"%s\"", message);
    return 0;
}

static const char *why_no_credential(int error)
{
    switch (error) {
    case -EACCES:
        return "it must be readable, and by its owner alone (chmod 600)";
    case -EINVAL:
        return "it takes the lines CAIRN_ROOT_USER=... (3 characters at least) and CAIRN_ROOT_PASSWORD=... (8)";
    default:
        return NULL;
    }
}

static int open_credentials(struct daemon *d)
{
    if (opt.user || opt.password) {
        int r = opt.user && opt.password ? credentials_new(opt.user, opt.password, &d->credentials) : -EINVAL;
        return r < 0 ? refuse(r, "root credential", "it takes a user of 3 and a password of 8 characters at least") : 0;
    }
    const char *path = opt.credentials_file;
    if (!path)
        path = arena_printf(&d->arena, "%s/" CREDENTIALS_NAME, d->volumes.paths[0]).ptr;
    bool made;
    int r = path ? credentials_open(path, &d->credentials, &made) : -ENOMEM;
    if (r < 0)
        return refuse(r, path ? path : "root credential", why_no_credential(r));
    log_info("credential", "file=%s made=%d", path, made);
    return 0;
}

/* The distinct ports, which a Host header may bear or lack. */
static int collect_ports(struct daemon *d)
{
    for (size_t i = 0; i < d->listener_count; i++) {
        unsigned port = d->listeners[i].port;
        size_t at = 0;
        while (at < d->port_count && d->ports[at] != port)
            at++;
        if (port == 0 || at < d->port_count)
            continue;
        if (d->port_count == AUTH_PORTS_MAX)
            return refuse(-E2BIG, "--address", "too many different ports");
        d->ports[d->port_count++] = port;
    }
    return 0;
}

static int open_listeners(struct daemon *d)
{
    if (opt.addresses.count == 0)
        opt.addresses = (struct option_list){{":9000"}, 1};
    for (size_t i = 0; i < opt.addresses.count; i++) {
        char message[256] = "";
        int r = listener_open(opt.addresses.items[i], d->listeners + d->listener_count,
                              LISTENERS_MAX - d->listener_count, message, sizeof message);
        if (r < 0)
            return refuse(r, opt.addresses.items[i], message);
        d->listener_count += (size_t)r;
    }
    return collect_ports(d);
}

static int spans_of(const struct option_list *list, const char *what, struct span *ret_spans, size_t cap)
{
    if (list->count > cap)
        return refuse(-E2BIG, what, NULL);
    for (size_t i = 0; i < list->count; i++)
        ret_spans[i] = span_cstr(list->items[i]);
    return 0;
}

static int parse_trusted(struct daemon *d)
{
    if (opt.trusted.count > TRUSTED_MAX)
        return refuse(-E2BIG, "--trusted-proxy", NULL);
    for (size_t i = 0; i < opt.trusted.count; i++)
        if (net_cidr_parse(span_cstr(opt.trusted.items[i]), &d->trusted[i]) < 0)
            return refuse(-EINVAL, opt.trusted.items[i], "not a network such as 10.0.0.0/8");
    return 0;
}

static int open_auth(struct daemon *d)
{
    struct auth_options o = {.credentials = d->credentials,
                             .region = span_cstr(opt.region),
                             .regionless = SPAN_LIT(ADMIN_OF_MINIO),
                             .aliases = d->aliases,
                             .alias_count = opt.aliases.count,
                             .ports = d->ports,
                             .port_count = d->port_count};
    int r = spans_of(&opt.aliases, "--host-alias", d->aliases, AUTH_ALIASES_MAX);
    if (r == 0 && (r = auth_new(&o, &d->auth)) < 0)
        refuse(r, "authentication", NULL);
    return r;
}

static int open_handlers(struct daemon *d)
{
    int r = spans_of(&opt.domains, "--domain", d->domains, DOMAINS_MAX);
    if (r < 0)
        return r;
    struct s3_options s3 = {.domains = d->domains, .domain_count = opt.domains.count, .region = span_cstr(opt.region)};
    struct posix_options posix = {0};
    if ((r = s3_new(store_ns(d->store), &s3, &d->s3)) < 0)
        return refuse(r, "S3", NULL);
    if ((r = posix_new(store_ns(d->store), store_index(d->store), &posix, &d->posix)) < 0)
        return refuse(r, "mounts", NULL);
    return 0;
}

static int open_tls(struct daemon *d)
{
    char message[512] = "";
    int r = opt.certs_dir ? tls_new(opt.certs_dir, &d->tls, message, sizeof message) : 0;
    return r < 0 ? refuse(r, opt.certs_dir, message) : 0;
}

/* At most half of the descriptors, since drives want theirs; 0, which is the default, when there are enough. */
static unsigned connections_max(void)
{
    struct rlimit files;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < HTTP_CONNECTIONS_MAX
               ? (unsigned)(files.rlim_cur / 2)
               : 0;
}

static int open_server(struct daemon *d)
{
    struct http_server_options o = {.listeners = d->listeners,
                                    .listener_count = d->listener_count,
                                    .connections_max = connections_max(),
                                    .tls = d->tls,
                                    .trusted = d->trusted,
                                    .trusted_count = opt.trusted.count,
                                    .verify = verify,
                                    .verify_arg = d,
                                    .handle = handle,
                                    .handle_arg = d,
                                    .fail = fail,
                                    .observe = observe};
    int r = http_server_new(&o, &d->server);
    if (r < 0)
        return refuse(r, "server", NULL);
    d->admin =
        (struct admin){.store = d->store, .posix = d->posix, .server = d->server, .metrics_public = opt.metrics_public};
    r = http_server_start(d->server);
    return r < 0 ? refuse(r, "server", NULL) : 0;
}

static int (*const phases[])(struct daemon *d) = {
    open_store, open_credentials, open_listeners, parse_trusted, open_auth, open_handlers, open_tls, open_server,
};

static void close_all(struct daemon *d)
{
    bool quiet = !d->server || http_server_stop(d->server, clock_mono_ns() + opt.stop_ns) == 0;
    for (size_t i = 0; i < d->listener_count; i++)
        listener_close(&d->listeners[i]);
    if (!quiet) {
        log_error("stop", "reason=\"a request does not end\"");
        _exit(EXIT_FAILURE); /* what it uses can't be taken from it; the store is made for being cut off */
    }
    http_server_free(&d->server);
    tls_free(&d->tls);
    posix_free(&d->posix);
    s3_free(&d->s3);
    auth_free(&d->auth);
    credentials_free(&d->credentials);
    store_close(&d->store);
    arena_release(&d->arena);
}

/* ---- running ---- */

static void watched_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGHUP);
}

static void reload(struct daemon *d)
{
    char message[512] = "";
    if (!d->tls)
        return;
    int r = tls_reload(d->tls, message, sizeof message);
    log_info("reload", "certificates=%s message=\"%s\"", r < 0 ? "kept" : "read", message);
}

/* Until SIGTERM or SIGINT. */
static void serve(struct daemon *d)
{
    sigset_t set;
    watched_signals(&set);
    for (size_t i = 0; i < d->listener_count; i++)
        log_info("listening", "address=%s tls=%d", d->listeners[i].text, d->tls != NULL);
    log_info("ready", "drives=%zu", d->volumes.count);
    service_notify("READY=1");
    for (;;) {
        struct timespec pause = {TRIM_SECONDS, 0};
        int signal_number = sigtimedwait(&set, NULL, &pause);
        if (signal_number == SIGTERM || signal_number == SIGINT)
            break;
        if (signal_number == SIGHUP)
            reload(d);
        else
            store_trim(d->store);
    }
    service_notify("STOPPING=1");
    log_info("stopping", "reason=signal");
}

static void prepare_process(void)
{
    sigset_t set;
    watched_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int set_log_level(void)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(opt.log_level, names[i]) == 0) {
            log_threshold = (enum log_level)i;
            log_set_level(log_threshold);
            return 0;
        }
    }
    return refuse(-EINVAL, opt.log_level, "a log level is error, warn, info or debug");
}

static int run(char **operands, int count)
{
    static struct daemon d; /* large: its lists of volumes and listeners */
    prepare_process();
    int r = set_log_level();
    if (r == 0)
        r = collect_volumes(&d, operands, count);
    for (size_t i = 0; r == 0 && i < sizeof phases / sizeof phases[0]; i++)
        r = phases[i](&d);
    if (r == 0)
        serve(&d);
    close_all(&d);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    char **operands = calloc((size_t)argc + 1, sizeof *operands);
    int count = 0, code = EXIT_SUCCESS;
    if (!operands || options_parse(options, argc, argv, operands, &count) < 0) {
        code = EXIT_FAILURE;
    } else if (opt.help) {
        puts("usage: cairnd [OPTION]... DRIVE...\n\nServes S3 from the given drives: one folder each, /data{1...4} "
             "stands for four.\n");
        options_help(options, stdout);
    } else if (opt.version) {
        puts("cairnd " VERSION);
    } else {
        code = run(operands, count);
    }
    free(operands);
    return code;
}

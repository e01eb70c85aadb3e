/*
 * The operator's command. It asks the daemon's admin API, with the mount's S3 client for the signature.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/s3/client.h"
#include "objstore/base/errors.h"
#include "objstore/base/options.h"

enum { EXIT_OK, EXIT_NOT_READY, EXIT_FAILED }; /* what scripts read */

static struct {
    const char *endpoint, *access_key, *secret, *aws_access_key, *aws_secret, *region, *ca_file;
    bool json, help;
} opt = {.endpoint = "http://127.0.0.1:9000", .region = "us-east-1"};

/* clang-format off */
static const struct option_row options[] = {
    {"endpoint", 'e', OPTION_STRING, &opt.endpoint, "URL", "CAIRN_ENDPOINT", NULL, "where cairnd listens (http://127.0.0.1:9000)"},
    {"access-key", 0, OPTION_STRING, &opt.access_key, "KEY", "CAIRN_ROOT_USER", "MINIO_ROOT_USER", "the credential's access key"},
    {"secret-key", 0, OPTION_STRING, &opt.secret, "SECRET", "CAIRN_ROOT_PASSWORD", "MINIO_ROOT_PASSWORD", "its secret; better given by the environment"},
    {"aws-access-key", 0, OPTION_STRING, &opt.aws_access_key, "KEY", "AWS_ACCESS_KEY_ID", NULL, "taken when there is no --access-key"},
    {"aws-secret-key", 0, OPTION_STRING, &opt.aws_secret, "SECRET", "AWS_SECRET_ACCESS_KEY", NULL, "taken when there is no --secret-key"},
    {"region", 0, OPTION_STRING, &opt.region, "NAME", "CAIRN_REGION", "AWS_DEFAULT_REGION", "the region to sign for (us-east-1)"},
    {"ca-file", 0, OPTION_STRING, &opt.ca_file, "FILE", "CAIRN_CA_FILE", "AWS_CA_BUNDLE", "PEM certificates to trust instead of the system's"},
    {"json", 'j', OPTION_FLAG, &opt.json, NULL, NULL, NULL, "print the daemon's answer as it is"},
    {"help", 'h', OPTION_FLAG, &opt.help, NULL, NULL, NULL, "this text"},
    {NULL, 0, OPTION_FLAG, NULL, NULL, NULL, NULL, NULL},
};
/* clang-format on */

/* ---- asking ---- */

static int ask(const char *method, const char *path, bool signed_request, struct s3_response *response)
{
    struct s3_client_options client_options = {.endpoint = opt.endpoint,
                                               .access_key = signed_request ? opt.access_key : NULL,
                                               .secret = opt.secret,
                                               .region = opt.region,
                                               .ca_file = opt.ca_file};
    struct s3_client *client;
    int r = s3_client_new(&client_options, &client);
    if (r < 0) {
        fprintf(stderr, "cairn: %s: not an endpoint like http://HOST:PORT or unix:PATH\n", opt.endpoint);
        return r;
    }
    struct s3_request request = {.method = method, .path = span_cstr(path)};
    r = s3_send(client, &request, response);
    if (r < 0)
        fprintf(stderr, "cairn: %s does not answer: %s\n", opt.endpoint, cairn_strerror(r));
    s3_client_free(&client);
    return r;
}

/* ---- ready ---- */

static int ready(void)
{
    struct s3_response response = S3_RESPONSE_INIT;
    int r = ask("GET", "/cairn/health/ready", false, &response);
    int status = response.status;
    s3_response_release(&response);
    if (r < 0)
        return EXIT_FAILED;
    puts(status == 200 ? "ready" : "not ready: too few drives answer for a write");
    return status == 200 ? EXIT_OK : EXIT_NOT_READY;
}

/* ---- status ---- */

static json_int_t number(json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static bool truth(json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static const char *size_text(json_int_t bytes, char ret[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    snprintf(ret, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return ret;
}

static void print_drives(json_t *drives)
{
    printf("%-4s %-5s %-8s %10s %10s  %-8s %s\n", "set", "place", "state", "size", "free", "index", "path");
    size_t i;
    json_t *d;
    json_array_foreach(drives, i, d)
    {
        char size[32], available[32];
        printf("%-4lld %-5lld %-8s %10s %10s  %-8s %s\n", number(d, "set"), number(d, "position"), text(d, "state"),
               size_text(number(d, "capacity"), size), size_text(number(d, "free"), available),
               !truth(d, "index_replica")  ? "-"
               : truth(d, "index_healthy") ? "current"
                                           : "behind",
               text(d, "path"));
    }
}

static void print_sets(json_t *sets)
{
    size_t i;
    json_t *s;
    json_array_foreach(sets, i, s)
        printf("set %lld: %lld drives, %lld of parity, %lld online, write quorum %lld: %s\n", number(s, "set"),
               number(s, "drives"), number(s, "parity"), number(s, "online"), number(s, "write_quorum"),
               truth(s, "writable")   ? "reads and writes"
               : truth(s, "readable") ? "reads only"
                                      : "too few drives");
}

static void print_repair(json_t *data, json_t *repair)
{
    char todo[32], done[32];
    const char *error = text(repair, "error");
    printf("data: %lld degraded reads and %lld damaged shards since the start, %lld blobs to reclaim\n",
           number(data, "degraded_reads"), number(data, "bitrot_found"), number(data, "blobs_freed_pending"));
    printf("healing: %s%s%s; %lld blobs to heal, %lld of them damaged beyond that, %lld healed since the start\n",
           truth(repair, "healing")   ? "at work"
           : truth(repair, "waiting") ? "waits for drives"
                                      : "nothing to do",
           *error ? ": " : "", error, number(data, "heal_pending"), number(data, "heal_damaged"),
           number(data, "healed_blobs"));
    printf("drives that lack what others have: %s to write; %s in %lld blobs written since the start\n",
           size_text(number(repair, "bytes_to_refill"), todo), size_text(number(repair, "bytes_refilled"), done),
           number(repair, "blobs_refilled"));
}

static const char *date_text(json_int_t ms, char ret[32])
{
    time_t at = (time_t)(ms / 1000);
    struct tm parts;
    if (ms == 0 || !localtime_r(&at, &parts) || strftime(ret, 32, "%Y-%m-%d %H:%M", &parts) == 0)
        strcpy(ret, "never");
    return ret;
}

static void print_scrub(json_t *scrub)
{
    char ended[32], seen[32], total[32];
    size_text(number(scrub, "bytes"), seen);
    size_text(number(scrub, "total"), total);
    date_text(number(scrub, "ended_ms"), ended);
    if (truth(scrub, "runs"))
        printf("verification: %s of about %s seen, %lld shards wrong; the last one ended: %s\n", seen, total,
               number(scrub, "wrong"), ended);
    else
        printf("verification: the last one ended: %s; %s in %lld blobs, %lld shards wrong\n", ended, seen,
               number(scrub, "blobs"), number(scrub, "wrong"));
}

static void print_status(json_t *status)
{
    char capacity[32], available[32];
    printf("deployment %s: %s\n", text(status, "id"),
           truth(status, "writable")   ? "reads and writes"
           : truth(status, "readable") ? "reads only"
                                       : "down");
    printf("space: %s free of %s, parity taken off\n", size_text(number(status, "free"), available),
           size_text(number(status, "capacity"), capacity));
    printf("index: %lld of %lld replicas current, quorum %lld\n", number(status, "index_healthy"),
           number(status, "index_replicas"), number(status, "index_write_quorum"));
    print_repair(json_object_get(status, "data"), json_object_get(status, "repair"));
    print_scrub(json_object_get(status, "scrub"));
    putchar('\n');
    print_sets(json_object_get(status, "sets"));
    putchar('\n');
    print_drives(json_object_get(status, "drives"));
}

static int refused(struct s3_response *response)
{
    struct span code = s3_error_code(response);
    fprintf(stderr, "cairn: the daemon refused: %d " SPAN_FMT "\n", response->status, SPAN_ARG(code));
    return EXIT_FAILED;
}

static int show_status(struct s3_response *response)
{
    if (response->status != 200)
        return refused(response);
    if (opt.json) {
        fwrite(response->body.ptr, 1, response->body.len, stdout);
        putchar('\n');
        return EXIT_OK;
    }
    json_error_t error;
    json_t *status = json_loadb(response->body.ptr, response->body.len, 0, &error);
    if (!status) {
        fprintf(stderr, "cairn: the daemon's answer is not understood: %s\n", error.text);
        return EXIT_FAILED;
    }
    print_status(status);
    json_decref(status);
    return EXIT_OK;
}

static int status(void)
{
    struct s3_response response = S3_RESPONSE_INIT;
    int r = ask("GET", "/cairn/admin/v1/status", true, &response);
    int code = r < 0 ? EXIT_FAILED : show_status(&response);
    s3_response_release(&response);
    return code;
}

/* ---- scrub ---- */

static int scrub(void)
{
    struct s3_response response = S3_RESPONSE_INIT;
    int r = ask("POST", "/cairn/admin/v1/scrub", true, &response);
    int code = r < 0 ? EXIT_FAILED : response.status == 202 ? EXIT_OK : refused(&response);
    s3_response_release(&response);
    if (code == EXIT_OK)
        puts("every shard is being verified; see cairn status");
    return code;
}

/* ---- commands ---- */

static const struct command {
    const char *name, *help;
    int (*run)(void);
    bool signed_request;
} commands[] = {
    {"status", "drives, sets, space and quorum", status, true},
    {"scrub", "verify every shard now", scrub, true},
    {"ready", "exit with 0 when writes are taken, 1 when not, 2 without an answer", ready, false},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static int usage(FILE *out, int code)
{
    fputs("usage: cairn [OPTION]... COMMAND\n\ncommands:\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\noptions:\n", out);
    options_help(options, out);
    return code;
}

static int run_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (commands[i].signed_request && (!opt.access_key || !opt.secret)) {
            fputs("cairn: no credential: set CAIRN_ROOT_USER and CAIRN_ROOT_PASSWORD, or the AWS variables\n", stderr);
            return EXIT_FAILED;
        }
        return commands[i].run();
    }
    fprintf(stderr, "cairn: no command %s\n", name);
    return usage(stderr, EXIT_FAILED);
}

static void choose_credential(void)
{
    if (!opt.access_key || !opt.secret) {
        opt.access_key = opt.aws_access_key;
        opt.secret = opt.aws_secret;
    }
}

int main(int argc, char **argv)
{
    char **operands = calloc((size_t)argc + 1, sizeof *operands);
    int count = 0;
    int code = EXIT_FAILED;
    bool parsed = operands && options_parse(options, argc, argv, operands, &count) == 0;
    choose_credential();
    if (parsed && opt.help)
        code = usage(stdout, EXIT_OK);
    else if (parsed && count != 1)
        code = usage(stderr, EXIT_FAILED);
    else if (parsed)
        code = run_command(operands[0]);
    free(operands);
    return code;
}

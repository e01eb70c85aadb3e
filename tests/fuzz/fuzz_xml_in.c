/* A document that parses is written by xml_out and parses again to the same tree. */
#include "objstore/base/errors.h"
#include "server/wire/xml_in.h"
#include "server/wire/xml_out.h"
#include "tests/fuzz/fuzz.h"

static const struct xml_limits limits = {.bytes = 1 << 20, .depth = 8, .elements = 200};

/* Element names come from the document, so the tags are written here. */
static void write_tree(struct buf *b, const struct xml_node *node)
{
    buf_printf(b, "<" SPAN_FMT ">", SPAN_ARG(node->name));
    xml_escape(b, node->text);
    for (const struct xml_node *child = node->child; child != NULL; child = child->next) {
        FUZZ_CHECK(child->parent == node);
        write_tree(b, child);
    }
    buf_printf(b, "</" SPAN_FMT ">", SPAN_ARG(node->name));
}

static bool same_tree(const struct xml_node *a, const struct xml_node *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return span_eq(a->name, b->name) && span_eq(a->text, b->text) && same_tree(a->child, b->child) &&
           same_tree(a->next, b->next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = ARENA_INIT;
    struct xml_node *root = NULL, *again = NULL;
    int rc = xml_parse(span_make(data, size), &limits, &a, &root);
    FUZZ_CHECK(rc == 0 || rc == CAIRN_ESYNTAX || rc == CAIRN_ETOOBIG);
    if (rc == 0) {
        struct buf b = BUF_INIT;
        write_tree(&b, root);
        FUZZ_CHECK(b.failed == 0);
        rc = xml_parse(buf_span(&b), &(struct xml_limits){.bytes = SIZE_MAX, .depth = 8, .elements = 200}, &a, &again);
        FUZZ_CHECK(rc == 0 && same_tree(root, again));
        xml_child_text(root, "Key");
        buf_release(&b);
    }
    arena_release(&a);
    return 0;
}

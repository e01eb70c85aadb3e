#include "server/wire/xml_in.h"

#include <expat.h>
#include <limits.h>

#include "objstore/base/errors.h"

/* Between a namespace and a local name in what expat reports; a local name can not hold it. */
#define NS_SEPARATOR '\n'

struct parse {
    XML_Parser expat;
    const struct xml_limits *limits;
    struct arena *arena;
    struct xml_node *root;
    struct xml_node *open; /* innermost open element */
    struct level *levels;
    unsigned depth;
    size_t elements;
    struct buf text; /* character data of all open elements, the innermost's last */
    int error;       /* the first, 0: none */
};

/* Of each open element. */
struct level {
    size_t text_at;        /* where its text begins in parse.text */
    struct xml_node *last; /* its last child so far */
};

static void fail(struct parse *p, int error)
{
    if (p->error == 0)
        p->error = error;
    XML_StopParser(p->expat, XML_FALSE);
}

static struct span local_name(const char *name)
{
    const char *separator = strrchr(name, NS_SEPARATOR);
    return span_cstr(separator ? separator + 1 : name);
}

static void attach(struct parse *p, struct xml_node *node)
{
    node->parent = p->open;
    if (p->open == NULL) {
        p->root = node;
        return;
    }
    struct level *above = &p->levels[p->depth - 1];
    if (above->last == NULL)
        p->open->child = node;
    else
        above->last->next = node;
    above->last = node;
}

static void on_start(void *arg, const char *name, const char **attributes)
{
    struct parse *p = arg;
    (void)attributes;
    if (p->depth == p->limits->depth || p->elements == p->limits->elements) {
        fail(p, CAIRN_ETOOBIG);
        return;
    }
    struct xml_node *node = arena_zalloc(p->arena, 1, sizeof(*node));
    struct span local = arena_dup(p->arena, local_name(name));
    if (node == NULL || local.ptr == NULL) {
        fail(p, -ENOMEM);
        return;
    }
    node->name = local;
    attach(p, node);
    p->levels[p->depth++] = (struct level){.text_at = p->text.len};
    p->elements++;
    p->open = node;
}

static void on_text(void *arg, const char *bytes, int len)
{
    struct parse *p = arg;
    int rc = buf_add(&p->text, bytes, (size_t)len);
    if (rc < 0)
        fail(p, rc);
}

static void on_end(void *arg, const char *name)
{
    struct parse *p = arg;
    size_t text_at = p->levels[--p->depth].text_at;
    (void)name;
    p->open->text = arena_dup(p->arena, span_from(buf_span(&p->text), text_at));
    if (p->open->text.ptr == NULL)
        fail(p, -ENOMEM);
    p->text.len = text_at;
    p->open = p->open->parent;
}

/* No entity can come in without a DOCTYPE. */
static void on_doctype(void *arg, const char *name, const char *system_id, const char *public_id, int internal)
{
    (void)name, (void)system_id, (void)public_id, (void)internal;
    fail(arg, CAIRN_ESYNTAX);
}

static int run(struct parse *p, struct span doc)
{
    XML_SetUserData(p->expat, p);
    XML_SetElementHandler(p->expat, on_start, on_end);
    XML_SetCharacterDataHandler(p->expat, on_text);
    XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
    enum XML_Status status = XML_Parse(p->expat, doc.ptr, (int)doc.len, XML_TRUE);
    if (p->error != 0)
        return p->error;
    if (status == XML_STATUS_OK)
        return 0;
    return XML_GetErrorCode(p->expat) == XML_ERROR_NO_MEMORY ? -ENOMEM : CAIRN_ESYNTAX;
}

int xml_parse(struct span doc, const struct xml_limits *limits, struct arena *a, struct xml_node **ret_root)
{
    struct parse p = {.limits = limits, .arena = a};
    if (doc.len > limits->bytes || doc.len > INT_MAX)
        return CAIRN_ETOOBIG;
    if (doc.len == 0)
        return CAIRN_ESYNTAX;
    p.levels = arena_zalloc(a, limits->depth, sizeof(*p.levels));
    p.expat = XML_ParserCreateNS(NULL, NS_SEPARATOR);
    int rc = p.levels == NULL || p.expat == NULL ? -ENOMEM : run(&p, doc);
    if (p.expat != NULL)
        XML_ParserFree(p.expat);
    buf_release(&p.text);
    if (rc == 0)
        *ret_root = p.root;
    return rc;
}

/* ---- the tree ---- */

static const struct xml_node *first_named(const struct xml_node *node, struct span name)
{
    while (node != NULL && !span_eq(node->name, name))
        node = node->next;
    return node;
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
    return node == NULL ? NULL : first_named(node->child, span_cstr(name));
}

const struct xml_node *xml_again(const struct xml_node *node)
{
    return first_named(node->next, node->name);
}

struct span xml_child_exact(const struct xml_node *node, const char *name)
{
    const struct xml_node *child = xml_child(node, name);
    return child == NULL ? SPAN_EMPTY : child->text;
}

static bool is_xml_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct span xml_child_text(const struct xml_node *node, const char *name)
{
    struct span text = xml_child_exact(node, name);
    while (text.len > 0 && is_xml_blank(text.ptr[0]))
        text = span_from(text, 1);
    while (text.len > 0 && is_xml_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

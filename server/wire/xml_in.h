/*
 * XML in: a bounded document into a small tree, by expat. DOCTYPE is refused, so there are no entities but the five
 * of XML. Namespaces and prefixes are dropped, attributes are not kept: S3's requests need neither.
 */
#ifndef CAIRN_WIRE_XML_IN_H
#define CAIRN_WIRE_XML_IN_H

#include "objstore/base/arena.h"
#include "objstore/base/span.h"

struct xml_node {
    struct span name; /* local name */
    struct span text; /* all character data directly in the element, not trimmed, NUL-terminated; may be empty */
    struct xml_node *parent;
    struct xml_node *child; /* first */
    struct xml_node *next;  /* sibling */
};

struct xml_limits {
    size_t bytes;   /* of the document */
    unsigned depth; /* the root is at 1 */
    size_t elements;
};

/* 10,000 parts of CompleteMultipartUpload with ETag and every checksum stay below these. */
#define XML_LIMITS ((struct xml_limits){.bytes = 8u << 20, .depth = 16, .elements = 100000})

/* The tree lives in the arena. 0; CAIRN_ESYNTAX (not well-formed, or has a DOCTYPE): MalformedXML; CAIRN_ETOOBIG;
 * -ENOMEM. doc need not live on. */
int xml_parse(struct span doc, const struct xml_limits *limits, struct arena *a, struct xml_node **ret_root);

/* The first child of that name, or NULL. node may be NULL. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
/* The next sibling of the same name, or NULL. */
const struct xml_node *xml_again(const struct xml_node *node);
/* The text of the first child of that name; .ptr is NULL when there is none. */
struct span xml_child_text(const struct xml_node *node, const char *name);  /* trimmed */
struct span xml_child_exact(const struct xml_node *node, const char *name); /* as it stands: keys */

#endif

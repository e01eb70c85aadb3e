/*
 * XML out: S3's documents written straight into a buffer. Errors stay in buf.failed, to be looked at once at the end.
 * Element names and attributes come from the program, text from anywhere.
 */
#ifndef CAIRN_WIRE_XML_OUT_H
#define CAIRN_WIRE_XML_OUT_H

#include "objstore/base/span.h"

#define XML_DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XML_S3_NS "http://s3.amazonaws.com/doc/2006-03-01/"

/* The declaration and the opening tag of the root; xmlns NULL: none (as in Error). */
void xml_begin(struct buf *b, const char *root, const char *xmlns);
void xml_open(struct buf *b, const char *name);
/* attributes as they shall stand: "xmlns:xsi=\"…\" xsi:type=\"CanonicalUser\"". */
void xml_open_with(struct buf *b, const char *name, const char *attributes);
void xml_close(struct buf *b, const char *name);

/* <name>text</name>, text escaped. */
void xml_span(struct buf *b, const char *name, struct span text);
void xml_cstr(struct buf *b, const char *name, const char *text);
/* As xml_span, with U+FFFD for control characters: for documents that every parser must be able to read. */
void xml_span_lossy(struct buf *b, const char *name, struct span text);
void xml_u64(struct buf *b, const char *name, uint64_t value);
void xml_bool(struct buf *b, const char *name, bool value);
/* "2013-05-24T00:00:00.000Z". */
void xml_time(struct buf *b, const char *name, int64_t ns);
/* The tag in quotes: <ETag>&quot;…&quot;</ETag>. */
void xml_etag(struct buf *b, const char *name, struct span etag_without_quotes);

/*
 * Text alone, escaped: & < > " as entities, CR as &#13; (a parser would turn it into LF), other control characters as
 * references too, as S3 writes them although XML 1.0 has no such characters: a client that may meet them asks for
 * encoding-type=url. Bytes that are not UTF-8 (names made through a mount) come out as U+FFFD.
 */
void xml_escape(struct buf *b, struct span text);

#endif

#include <criterion/criterion.h>
#include <stdlib.h>

#include "objstore/base/errors.h"
#include "server/wire/xml_in.h"
#include "server/wire/xml_out.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena arena;

static void release(void)
{
    arena_release(&arena);
}

TestSuite(xml, .fini = release);

static struct xml_node *parse(struct span doc)
{
    struct xml_node *root = NULL;
    cr_assert_eq(xml_parse(doc, &XML_LIMITS, &arena, &root), 0);
    return root;
}

Test(xml, document_becomes_a_tree)
{
    struct xml_node *root =
        parse(SPAN_LIT("<?xml version=\"1.0\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
                       "<Quiet> true </Quiet>\n <Object><Key> a&amp;b&#13;<![CDATA[<c>]]> </Key></Object>"
                       "<x:Object xmlns:x='urn:x'><Key/><VersionId>v</VersionId></x:Object>\n</Delete>"));
    cr_expect(span_is(root->name, "Delete"));
    cr_expect(span_is(xml_child_text(root, "Quiet"), "true"));
    const struct xml_node *object = xml_child(root, "Object");
    cr_expect(span_is(xml_child_exact(object, "Key"), " a&b\r<c> "));
    cr_expect(xml_child_text(object, "VersionId").ptr == NULL);
    object = xml_again(object);
    cr_assert_not_null(object);
    cr_expect(xml_child_exact(object, "Key").ptr != NULL);
    cr_expect_eq(xml_child_exact(object, "Key").len, 0);
    cr_expect(span_is(xml_child_text(object, "VersionId"), "v"));
    cr_expect_null(xml_again(object));
    cr_expect_null(xml_child(NULL, "Key"));
}

Test(xml, text_around_children_is_kept_apart)
{
    struct xml_node *root = parse(SPAN_LIT("<a>1<b>2<c>3</c>4</b>5</a>"));
    cr_expect(span_is(root->text, "15"));
    cr_expect(span_is(xml_child(root, "b")->text, "24"));
    cr_expect(span_is(xml_child(xml_child(root, "b"), "c")->text, "3"));
    cr_expect_eq(xml_child(root, "b")->parent, root);
}

Test(xml, bad_documents_are_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "x",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a>&undefined;</a>",
        "<a>&#0;</a>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<x:a/>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct xml_node *root = NULL;
        cr_expect_eq(xml_parse(span_cstr(bad[i]), &XML_LIMITS, &arena, &root), CAIRN_ESYNTAX, "%s", bad[i]);
        cr_expect_null(root);
    }
}

Test(xml, size_depth_and_count_are_bounded)
{
    struct xml_limits limits = {.bytes = 40, .depth = 3, .elements = 5};
    struct xml_node *root;
    cr_expect_eq(xml_parse(SPAN_LIT("<a><b><c/></b><d/><e/></a>"), &limits, &arena, &root), 0);
    cr_expect_eq(xml_parse(SPAN_LIT("<a><b><c/></b><d/><e/><f/></a>"), &limits, &arena, &root), CAIRN_ETOOBIG);
    cr_expect_eq(xml_parse(SPAN_LIT("<a><b><c><d/></c></b></a>"), &limits, &arena, &root), CAIRN_ETOOBIG);
    cr_expect_eq(xml_parse(SPAN_LIT("<a>                                    </a>"), &limits, &arena, &root),
                 CAIRN_ETOOBIG);
}

Test(xml, writer_escapes_and_is_read_back)
{
    struct buf b = BUF_INIT;
    xml_begin(&b, "Root", XML_S3_NS);
    xml_span(&b, "Key", SPAN_LIT("a<b>&\"'\r\n\t\xc3\xbc\xf0\x9f\x98\x80"));
    xml_etag(&b, "ETag", SPAN_LIT("abc"));
    xml_u64(&b, "Size", UINT64_MAX);
    xml_bool(&b, "IsTruncated", false);
    xml_time(&b, "LastModified", 1369353600 * 1000000000LL);
    xml_open_with(&b, "Owner", "type=\"x\"");
    xml_close(&b, "Owner");
    xml_close(&b, "Root");
    cr_assert_eq(b.failed, 0);
    buf_add_char(&b, '\0');
    cr_expect_str_eq(b.ptr, XML_DECLARATION
                     "<Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                     "<Key>a&lt;b&gt;&amp;&quot;'&#13;\n\t\xc3\xbc\xf0\x9f\x98\x80</Key><ETag>&quot;abc&quot;</ETag>"
                     "<Size>18446744073709551615</Size><IsTruncated>false</IsTruncated>"
                     "<LastModified>2013-05-24T00:00:00.000Z</LastModified><Owner type=\"x\"></Owner></Root>");
    b.len--;
    struct xml_node *root = parse(buf_span(&b));
    cr_expect(span_is(xml_child_exact(root, "Key"), "a<b>&\"'\r\n\t\xc3\xbc\xf0\x9f\x98\x80"));
    buf_release(&b);
}

Test(xml, what_xml_can_not_say_is_written_all_the_same)
{
    struct buf b = BUF_INIT;
    xml_escape(&b, SPAN_LIT("\x01|\x7f|\xff|\xc3|\xed\xa0\x80"));
    buf_add_char(&b, '\0');
    cr_expect_str_eq(b.ptr, "&#1;|&#127;|\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    buf_release(&b);
}

Test(xml, what_every_parser_must_read_bears_no_control_characters)
{
    struct xml_limits limits = XML_LIMITS;
    struct xml_node *root;
    struct buf b = BUF_INIT;
    xml_span_lossy(&b, "Key", SPAN_LIT("\x01\0a\tb\n&\r\x1f\xff\xc3\xa4\x1b"));
    cr_assert_eq(xml_parse(buf_span(&b), &limits, &arena, &root), 0);
    cr_expect(span_is(root->text, "\ufffd\ufffda\tb\n&\r\ufffd\ufffdä\ufffd"), SPAN_FMT, SPAN_ARG(root->text));
    buf_clear(&b);
    xml_span_lossy(&b, "Key", SPAN_EMPTY);
    cr_expect(span_is(buf_span(&b), "<Key></Key>"));
    buf_release(&b);
}

Test(xml, a_full_buffer_shows_at_the_end)
{
    struct buf b = {.limit = 64};
    xml_begin(&b, "Root", NULL);
    for (int i = 0; i < 10; i++)
        xml_cstr(&b, "Key", "0123456789");
    cr_expect_eq(b.failed, CAIRN_ETOOBIG);
    buf_release(&b);
}

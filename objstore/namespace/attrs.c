/*
 * Packed attributes: a row of { tag (1), length of name (2), length of value (4), name, value }, integers
 * little-endian.
 */
#include "objstore/namespace/ns_priv.h"

#define ATTR_HEAD 7

int attrs_add(struct buf *packed, enum attr_tag tag, struct span name, struct span value)
{
    uint8_t head[ATTR_HEAD] = {(uint8_t)tag};
    if (name.len > UINT16_MAX || value.len > ATTRS_MAX)
        return CAIRN_ETOOBIG;
    put_le16(head + 1, (uint16_t)name.len);
    put_le32(head + 3, (uint32_t)value.len);
    int r = buf_reserve(packed, ATTR_HEAD + name.len + value.len);
    if (r < 0)
        return r;
    buf_add(packed, head, ATTR_HEAD);
    buf_add_span(packed, name);
    return buf_add_span(packed, value);
}

int attrs_next(struct span *rest, struct attr *ret_attr)
{
    if (rest->len == 0)
        return 0;
    if (rest->len < ATTR_HEAD)
        return CAIRN_ECORRUPT;
    size_t name_len = get_le16(rest->ptr + 1), value_len = get_le32(rest->ptr + 3);
    if (rest->len - ATTR_HEAD < name_len || rest->len - ATTR_HEAD - name_len < value_len)
        return CAIRN_ECORRUPT;
    ret_attr->tag = (enum attr_tag)rest->ptr[0];
    ret_attr->name = span_make(rest->ptr + ATTR_HEAD, name_len);
    ret_attr->value = span_make(rest->ptr + ATTR_HEAD + name_len, value_len);
    *rest = span_from(*rest, ATTR_HEAD + name_len + value_len);
    return 1;
}

bool attrs_find(struct span packed, enum attr_tag tag, struct span name, struct span *ret_value)
{
    struct attr attr;
    while (attrs_next(&packed, &attr) > 0)
        if (attr.tag == tag && span_eq(attr.name, name)) {
            *ret_value = attr.value;
            return true;
        }
    return false;
}

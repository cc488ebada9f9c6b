/* Records as tuples of key and value, and back. Not here: which records are (chain.h). */
#include "base/error.h"
#include "exec/chain.h"
#include "exec/item.h"

size_t element_room(op_types types, const sdf_slice *key, const sdf_slice *value)
{
    return item_size(type_of(types.key), key) + item_size(type_of(types.value), value) + 2;
}

size_t element_write(uint8_t *to, op_types types, const sdf_slice *key, const sdf_slice *value)
{
    uint8_t *at = to;
    *at++ = SDF_ITEM_TUPLE;
    at += item_put(at, type_of(types.key), key);
    at += item_put(at, type_of(types.value), value);
    *at++ = SDF_ITEM_TUPLE_END;
    return (size_t)(at - to);
}

/* Moves *rest past one item, whatever is in it. */
static int item_skip(sdf_slice *rest)
{
    size_t depth = 0;
    do {
        int kind = sdf_key_next(rest, NULL, NULL, NULL, NULL);
        if (kind == SDF_ITEM_TUPLE)
            depth++;
        else if (kind == SDF_ITEM_TUPLE_END && depth)
            depth--;
        else if (kind != SDF_ITEM_NULL && kind != SDF_ITEM_NUMBER && kind != SDF_ITEM_BYTES)
            return SDF_E_CORRUPT;
    } while (depth);
    return SDF_OK;
}

/* The raw value of the item in front of *rest; numbers and unescaped bytes are written to *room, which moves on. */
static int item_take(type_kind kind, sdf_slice *rest, uint8_t **room, sdf_slice *raw)
{
    sdf_slice at = *rest, bytes;
    int64_t i64;
    double f64;
    int exact, item;
    if (kind != TYPE_BYTES && kind != TYPE_NULL && !type_is_number(kind)) {
        int rc = item_skip(rest);
        *raw = (sdf_slice){at.data, at.size - rest->size};
        return rc;
    }
    item = sdf_key_next(rest, &i64, &f64, &exact, &bytes);
    if (kind == TYPE_NULL && item == SDF_ITEM_NULL) {
        *raw = (sdf_slice){NULL, 0};
        return SDF_OK;
    }
    if (kind == TYPE_BYTES && item == SDF_ITEM_BYTES) {
        *raw = bytes;
        if (!bytes.size || !memchr(bytes.data, 0, bytes.size))
            return SDF_OK;
        *raw = (sdf_slice){*room, sdf_key_unescape(&bytes, *room)};
        *room += raw->size;
        return SDF_OK;
    }
    if (item != SDF_ITEM_NUMBER || !type_is_number(kind) || (kind == TYPE_I64 && !exact))
        return SDF_E_CORRUPT;
    memcpy(*room, kind == TYPE_I64 ? (void *)&i64 : (void *)&f64, 8);
    *raw = (sdf_slice){*room, 8};
    *room += 8;
    return SDF_OK;
}

int element_split(op_types types, const sdf_slice *element, uint8_t *room, sdf_slice *key, sdf_slice *value,
                  sdf_error **err)
{
    sdf_slice rest = *element;
    int rc = sdf_key_next(&rest, NULL, NULL, NULL, NULL) == SDF_ITEM_TUPLE ? SDF_OK : SDF_E_CORRUPT;
    if (!rc)
        rc = item_take(type_of(types.key), &rest, &room, key);
    if (!rc)
        rc = item_take(type_of(types.value), &rest, &room, value);
    if (!rc && (sdf_key_next(&rest, NULL, NULL, NULL, NULL) != SDF_ITEM_TUPLE_END || rest.size))
        rc = SDF_E_CORRUPT;
    return rc ? error_set(err, rc, "a value of %zu bytes is no tuple(%s,%s)", element->size, types.key, types.value)
              : SDF_OK;
}

/* Keys in error messages. Not the text of sinks: that is sdf_format. */
#include "exec/key_text.h"

#include <string.h>

#include "base/num.h"
#include "base/wire.h"

void key_text(type_kind kind, const sdf_slice *key, char text[KEY_TEXT_MAX])
{
    enum { CUT = 40 };
    if (type_is_number(kind) && key->size == 8) {
        double d;
        memcpy(&d, key->data, 8);
        if (kind == TYPE_I64)
            num_i64(text, (int64_t)load_u64(key->data));
        else
            num_f64(text, d);
        return;
    }
    size_t n = 0;
    for (; n < key->size && n < CUT; n++) {
        uint8_t c = ((const uint8_t *)key->data)[n];
        text[n] = c >= 0x20 && c < 0x7f ? (char)c : '.';
    }
    memcpy(text + n, key->size > CUT ? "..." : "", key->size > CUT ? 4 : 1);
}

/* A key as an error message shows it: numbers as such, of bytes the first printable ones. */
#ifndef EXEC_KEY_TEXT_H
#define EXEC_KEY_TEXT_H

#include "spec/type.h"

#define KEY_TEXT_MAX 64

void key_text(type_kind kind, const sdf_slice *key, char text[KEY_TEXT_MAX]);

#endif

/* Bytes by bytes: a hash table over text that stays where it is. Of the lines of a broadcast value for lookup(), and of
 * long lists of literals for in(). */
#ifndef EXPR_TABLE_H
#define EXPR_TABLE_H

#include "base/budget.h"

typedef struct table table;

/* Of lines "key TAB value" ("\r\n" as "\n"; without a tab the value is empty; the first line of a key counts). The text
 * is borrowed. Memory is charged to b. */
int table_new_lines(table **t, budget *b, const sdf_slice *text, sdf_error **err);
/* Of keys without values; borrowed. */
int table_new_keys(table **t, budget *b, const sdf_slice *keys, size_t count, sdf_error **err);
void table_free(table *t);
bool table_get(const table *t, const sdf_slice *key, sdf_slice *value);

#endif

/* The header of delimited text against the columns that a plan was made with. */
#ifndef EXEC_HEADER_H
#define EXEC_HEADER_H

#include "spec/plan.h"

/* The row must name format->columns, in that order: SDF_E_CORRUPT says where it does not, and what it says instead. */
int header_check(const plan_format *format, const sdf_slice *row, const char *path, sdf_error **err);

#endif

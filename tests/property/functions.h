/* Registers what the lineages name. */
#ifndef PROPERTY_FUNCTIONS_H
#define PROPERTY_FUNCTIONS_H

void functions_register(void);

#endif

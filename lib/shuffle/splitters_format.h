/* Format numbers shared by those who write samples and splitters and those who read them. */
#ifndef SHUFFLE_SPLITTERS_FORMAT_H
#define SHUFFLE_SPLITTERS_FORMAT_H

#include "shuffle/splitters.h"

#define SAMPLES_FORMAT   1
#define SPLITTERS_FORMAT 1

#endif

/* What writing and reading access events share. */
#ifndef BELL_ACCESS_EVENT_PARTS_H
#define BELL_ACCESS_EVENT_PARTS_H

#include "bell_access_event.h"

#pragma GCC visibility push(hidden)

/* A byte that may stand in the path of an event. */
bool bell_access_path_byte(unsigned char c);

/* All rules of the form but those of the path. */
bool bell_access_event_is_sound(const bell_access_event *e);

#pragma GCC visibility pop

#endif

/* Files that must be there after a power cut. */
#ifndef FB_FILES_H
#define FB_FILES_H

#include <stdbool.h>

/* Brings the names in a folder to the disk (what was created, renamed or removed there). false: errno is set. */
bool fb_sync_folder(const char *folder) __attribute__((warn_unused_result));

#endif

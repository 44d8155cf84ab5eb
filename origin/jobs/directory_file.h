/* The directory's file, for edges on this machine. */
#ifndef FB_JOBS_DIRECTORY_FILE_H
#define FB_JOBS_DIRECTORY_FILE_H

#include "bell_str.h"

/* The version in the header of a snapshot, of which the first bytes are enough; 0 when it is none. */
uint64_t fb_directory_snapshot_version(bell_str head);
/* The same of the file that is there. */
uint64_t fb_directory_file_version(const char *path);
/* A reader sees the old file or the new one, whole, and so does one after a power cut. false: errno says why. */
bool fb_directory_file_replace(const char *path, bell_str text) __attribute__((warn_unused_result));

#endif

/* Files of keys, for the commands that make them: a key appears whole or not at all, belongs to who runs the api, and nobody else may read it. */
#ifndef FB_KEY_FILE_H
#define FB_KEY_FILE_H

#include "origin/server/settings.h"

#define FB_KEY_PATH_BYTES (FB_SETTING_TEXT_MAX + 300)

/* "firstbell: PATH: WHAT: reason of errno" on standard error; false. */
bool fb_key_fail(const char *path, const char *what);
/* Bytes into a file of its owner alone (who owns the folder, when root does it), by rename. false: a sentence was written. */
bool fb_key_file_put(const char *path, const char *bytes, size_t len) __attribute__((warn_unused_result));
/* The same for public halves, which everybody may read. */
bool fb_key_file_put_public(const char *path, const char *bytes, size_t len) __attribute__((warn_unused_result));
/* Brings a folder to the disk. */
bool fb_key_dir_sync(const char *path) __attribute__((warn_unused_result));
/* The folder, made when it is not there, and locked until the descriptor is closed: one at a time. -1: a sentence that names the setting was
 * written. */
int fb_key_dir_lock(const char *dir, const char *setting) __attribute__((warn_unused_result));
/* SIGHUP to the api, which is whoever locks the pid file; prints what happened. */
void fb_key_reload_api(const fb_settings *s);

#endif

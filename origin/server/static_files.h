/* The files of origin/web, read into memory when a worker starts: few, small, the same for every tenant. */
#ifndef FB_STATIC_FILES_H
#define FB_STATIC_FILES_H

#include "bell_str.h"
#include "origin/server/job.h"

#define FB_STATIC_FILES_MAX 256
#define FB_STATIC_BYTES_MAX (16 * 1024 * 1024)

struct fb_static_file {
    char *path; /* below web_root: "js/api.js" */
    const char *content_type;
    bell_str body;
    bool has_form; /* carries FB_FORM_MARK: made anew for every answer */
    char etag[36]; /* quoted: the first 16 bytes of SHA-256 as hex */
};

typedef struct {
    fb_static_file *files; /* sorted by path */
    size_t nfiles;
} fb_static_files;

/* Reads every regular file below `root` whose name bell_url_is_plain_path allows. false: a sentence in err that names what cannot be read. */
bool fb_static_load(fb_static_files *s, const char *root, char *err, size_t err_len) __attribute__((warn_unused_result));
void fb_static_free(fb_static_files *s);
/* NULL when there is none. */
const fb_static_file *fb_static_find(const fb_static_files *s, bell_str path);

/* By the name's ending; "application/octet-stream" for what is not in the table. */
const char *fb_content_type(bell_str path);

#endif

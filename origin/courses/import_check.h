/* course.json, checked whole before anything is done with it. No I/O: text in, a tree or sentences out.
 *   {"title","assets":[{"key"}],"modules":[{"key","title","lessons":[{"key","title","items":[
 *      {"key","kind":"video|reading|quiz|assignment","title","content":{…},"requires":[{"item":KEY,"minimum_score":60}]}]}]}]}
 * Keys are unique in the course within their kind (modules, lessons, items, assets). A text "media:KEY/file" anywhere in a content stands for
 * a file of a listed asset. */
#ifndef FB_COURSES_IMPORT_CHECK_H
#define FB_COURSES_IMPORT_CHECK_H

#include <jansson.h>

#include "bell_str.h"

#define FB_COURSE_FILE_MAX_BYTES (16u << 20)

/* Where a content names a file of an asset. Pointers go into the tree. */
typedef struct {
    char *where; /* "modules[0].lessons[1].items[2].content.hls"; owned */
    const char *asset;
    size_t asset_len;
    const char *file; /* a plain path below the asset */
} fb_course_media;

/* The tree as rows for SQL, each array of objects in the order of the file; positions count from 0. */
typedef struct {
    json_t *root;          /* what the rows below point into; owned */
    json_t *modules;       /* {"key","position","title"} */
    json_t *lessons;       /* {"key","module","position","title"} */
    json_t *items;         /* {"key","lesson","position","kind","title","content"}; kind is the number in items.kind */
    json_t *prerequisites; /* {"item","required","minimum"}; minimum in hundredths, or null */
    json_t *assets;        /* {"key"} */
    fb_course_media *media;
    size_t nmedia;
} fb_course_tree;

/* A sentence that begins with the place in the file. */
typedef void (*fb_course_report)(void *arg, const char *sentence);

/* false: at least one sentence was reported. The tree is to be freed in either case. */
bool fb_course_check(bell_str text, fb_course_tree *tree, fb_course_report report, void *arg) __attribute__((warn_unused_result));
void fb_course_tree_free(fb_course_tree *tree);

#endif

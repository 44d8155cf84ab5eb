/* The files of a course's assets: checked where the author has them, copied beside where they will be served from, and exchanged with what is
 * there. A reader sees the old folder or the new one, never half of either, and so does one after a power cut. Errors are sentences on
 * standard error. */
#ifndef FB_COURSES_IMPORT_MEDIA_H
#define FB_COURSES_IMPORT_MEDIA_H

#include "origin/courses/import_check.h"

/* source is DIR/media, target is media_root/<tenant>; keys are tree->assets. The folder of an asset is <target>/<key>, its copy in the making
 * <target>/.new-<key>. One importer of an asset at a time: the caller holds its row. */
typedef struct {
    const char *source;
    const char *target;
    const json_t *assets;
    size_t swapped; /* of the assets, from the first on: their old folders stand at .new-<key> until fb_media_finish */
} fb_media_copy;

/* Every listed asset has a folder with plain file names, and every file that a content names is there. Sentences
 * begin with the file below DIR: "media/water-cycle/a b: …", "course.json: modules[0]…". */
bool fb_media_check(const fb_media_copy *m, const fb_course_tree *tree, fb_course_report report, void *arg) __attribute__((warn_unused_result));
bool fb_media_stage(const fb_media_copy *m) __attribute__((warn_unused_result));
bool fb_media_swap(fb_media_copy *m) __attribute__((warn_unused_result));
/* Takes the swaps back, where that is still possible. */
void fb_media_swap_back(fb_media_copy *m);
/* Removes what stands at .new-<key>. */
void fb_media_finish(const fb_media_copy *m);

#endif

/* What stands in an item's content, kind by kind, and the files that it names. */
#include <stdio.h>
#include <stdlib.h>

#include "bell_quiz.h"
#include "bell_url.h"
#include "origin/courses/import_check_internal.h"

#define CONTENT_MAX_BYTES (256u << 10)
#define MEDIA_MAX         100000
#define DEPTH_MAX         16

static void add_media(fb_course_checker *c, bell_str reference) {
    fb_course_tree *t = c->tree;
    bell_str file = {reference.p + 6, reference.len - 6};
    bell_str asset = bell_str_cut(&file, '/');
    char key[FB_COURSE_ASSET_MAX_BYTES + 1];
    snprintf(key, sizeof key, "%.*s", BELL_STR_ARG(asset));
    if (asset.len > FB_COURSE_ASSET_MAX_BYTES || !json_object_get(c->seen_assets, key)) {
        fb_course_refuse(c, "\"%.200s\" names the asset \"%.*s\", which \"assets\" does not list", reference.p, BELL_STR_ARG(asset));
        return;
    }
    if (!bell_url_is_plain_path(file)) {
        fb_course_refuse(c, "\"%.200s\" must name a file as media:KEY/file, with letters, digits, dots, hyphens and underscores", reference.p);
        return;
    }
    if (t->nmedia == MEDIA_MAX) {
        fb_course_refuse(c, "the course names more than %d files", MEDIA_MAX);
        return;
    }
    if ((t->nmedia & (t->nmedia + 1)) == 0) { /* 0, 1, 3, 7, …: the room doubles */
        fb_course_media *grown = realloc(t->media, (2 * t->nmedia + 1) * sizeof *grown);
        if (!grown) {
            fb_course_refuse(c, "there is no memory for the list of files");
            return;
        }
        t->media = grown;
    }
    t->media[t->nmedia++] = (fb_course_media){strdup(c->path), asset.p, asset.len, file.p};
}

/* Every text of a content that refers to a file. */
static void find_media(fb_course_checker *c, json_t *v, unsigned depth) {
    if (json_is_string(v)) {
        bell_str s = {json_string_value(v), json_string_length(v)};
        if (bell_str_starts(s, BELL_STR("media:"))) {
            add_media(c, s);
        }
        return;
    }
    if (depth == DEPTH_MAX) {
        fb_course_refuse(c, "the content is nested more than %d deep", DEPTH_MAX);
        return;
    }
    size_t i;
    const char *name;
    json_t *child;
    json_array_foreach(v, i, child) {
        size_t here = fb_course_enter(c, "[%zu]", i);
        find_media(c, child, depth + 1);
        fb_course_leave(c, here);
    }
    if (json_is_object(v)) {
        json_object_foreach(v, name, child) {
            size_t here = fb_course_enter(c, ".%.60s", name);
            find_media(c, child, depth + 1);
            fb_course_leave(c, here);
        }
    }
}

/* A member that must name a file of an asset; may be absent unless required. */
static void media_member(fb_course_checker *c, const json_t *object, const char *name, bool required) {
    const json_t *v = json_object_get(object, name);
    const char *text = json_string_value(v);
    if ((!v && !required) || (text && strncmp(text, "media:", 6) == 0)) {
        return;
    }
    size_t here = fb_course_enter(c, ".%s", name);
    fb_course_refuse(c, "expected a file as \"media:KEY/file\", found %s", fb_course_kind_of(v));
    fb_course_leave(c, here);
}

static void check_video(fb_course_checker *c, const json_t *content) {
    media_member(c, content, "hls", true);
    media_member(c, content, "poster", false);
    const json_t *duration = json_object_get(content, "duration_s");
    if (!json_is_number(duration) || json_number_value(duration) <= 0 || json_number_value(duration) > 86400) {
        size_t here = fb_course_enter(c, ".duration_s");
        fb_course_refuse(c, "expected seconds, more than 0 and at most 86400, found %s", fb_course_kind_of(duration));
        fb_course_leave(c, here);
    }
    json_t *captions = fb_course_array(c, content, "captions", 0, 100);
    size_t i;
    json_t *track;
    json_array_foreach(captions, i, track) {
        size_t here = fb_course_enter(c, ".captions[%zu]", i);
        fb_course_text(c, track, "lang", 35);
        fb_course_text(c, track, "label", 100);
        media_member(c, track, "src", true);
        fb_course_leave(c, here);
    }
}

static void check_text_list(fb_course_checker *c, const json_t *block) {
    json_t *items = fb_course_array(c, block, "items", 1, 500);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        if (!json_is_string(item)) {
            size_t here = fb_course_enter(c, ".items[%zu]", i);
            fb_course_refuse(c, "expected a text, found %s", fb_course_kind_of(item));
            fb_course_leave(c, here);
        }
    }
}

static void check_block(fb_course_checker *c, const json_t *block) {
    const char *type = fb_course_text(c, block, "type", 40);
    if (!type) {
        return;
    }
    if (strcmp(type, "heading") == 0 || strcmp(type, "paragraph") == 0) {
        const json_t *text = json_object_get(block, "text");
        if (json_string_length(text) == 0) {
            size_t here = fb_course_enter(c, ".text");
            fb_course_refuse(c, "expected a text, found %s", json_is_string(text) ? "an empty one" : fb_course_kind_of(text));
            fb_course_leave(c, here);
        }
    } else if (strcmp(type, "list") == 0) {
        check_text_list(c, block);
    } else if (strcmp(type, "image") == 0) {
        media_member(c, block, "src", true);
        if (!json_is_string(json_object_get(block, "alt"))) {
            fb_course_refuse(c, "an image needs \"alt\", the text for those who cannot see it; \"\" when it only decorates");
        }
    } else {
        fb_course_refuse(c, "there is no block of type \"%s\"; expected heading, paragraph, list or image", type);
    }
}

static void check_blocks(fb_course_checker *c, const json_t *content) {
    json_t *blocks = fb_course_array(c, content, "blocks", 1, 1000);
    size_t i;
    json_t *block;
    json_array_foreach(blocks, i, block) {
        size_t here = fb_course_enter(c, ".blocks[%zu]", i);
        check_block(c, block);
        fb_course_leave(c, here);
    }
}

static void check_due_date(fb_course_checker *c, const json_t *content) {
    const json_t *v = json_object_get(content, "due_on");
    int year, month, day, used = 0;
    if (!v || (json_string_length(v) == 10 && sscanf(json_string_value(v), "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3 && used == 10 &&
               month >= 1 && month <= 12 && day >= 1 && day <= 31)) {
        return;
    }
    size_t here = fb_course_enter(c, ".due_on");
    fb_course_refuse(c, "expected a date such as \"2026-12-18\", found %s", json_is_string(v) ? json_string_value(v) : fb_course_kind_of(v));
    fb_course_leave(c, here);
}

static void check_quiz(fb_course_checker *c, const char *text) {
    bell_buf buf;
    bell_json json;
    bell_buf_init(&buf, 2 * CONTENT_MAX_BYTES);
    bell_json_init(&json, &buf);
    if (!bell_quiz_write_public(bell_str_of(text), &json)) {
        fb_course_refuse(
            c, "this is not a quiz: expected \"pass_score\" and \"questions\", each with id, prompt, kind, choices and an answer among them");
    }
    bell_buf_fini(&buf);
}

void fb_course_content(fb_course_checker *c, int kind, json_t *content) {
    size_t here = fb_course_enter(c, ".content");
    char *text = json_is_object(content) ? json_dumps(content, JSON_COMPACT) : NULL;
    if (!json_is_object(content)) {
        fb_course_refuse(c, "expected an object, found %s", fb_course_kind_of(content));
    } else if (!text || strlen(text) > CONTENT_MAX_BYTES) {
        fb_course_refuse(c, "the content is larger than %u KiB", CONTENT_MAX_BYTES >> 10);
    } else if (kind == FB_COURSE_VIDEO) {
        check_video(c, content);
    } else if (kind == FB_COURSE_QUIZ) {
        check_quiz(c, text);
    } else {
        check_blocks(c, content);
    }
    if (kind == FB_COURSE_ASSIGNMENT) {
        check_due_date(c, content);
    }
    find_media(c, content, 0);
    free(text);
    fb_course_leave(c, here);
}

#include "origin/courses/import_check_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX_BYTES   100
#define TITLE_MAX_BYTES 500
#define MODULES_MAX     200
#define LESSONS_MAX     200 /* of a module */
#define ITEMS_MAX       100 /* of a lesson */
#define REQUIRES_MAX    50  /* of an item */
#define ASSETS_MAX      1000

static const char *const kinds[] = {
    [FB_COURSE_VIDEO] = "video", [FB_COURSE_READING] = "reading", [FB_COURSE_QUIZ] = "quiz", [FB_COURSE_ASSIGNMENT] = "assignment"};

void fb_course_refuse(fb_course_checker *c, const char *fmt, ...) {
    char sentence[900];
    int n = snprintf(sentence, sizeof sentence, "%s%s", c->path, *c->path ? ": " : "");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence + n, sizeof sentence - (size_t)n, fmt, ap);
    va_end(ap);
    c->errors++;
    c->report(c->arg, sentence);
}

size_t fb_course_enter(fb_course_checker *c, const char *fmt, ...) {
    size_t len = strlen(c->path);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->path + len, sizeof c->path - len, fmt, ap);
    va_end(ap);
    return len;
}

void fb_course_leave(fb_course_checker *c, size_t len) {
    c->path[len] = 0;
}

const char *fb_course_kind_of(const json_t *v) {
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a text", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",      [JSON_FALSE] = "false",   [JSON_NULL] = "null",
    };
    return v ? names[json_typeof(v)] : "nothing";
}

const char *fb_course_text(fb_course_checker *c, const json_t *object, const char *name, size_t most) {
    const json_t *v = json_object_get(object, name);
    size_t len = json_string_length(v);
    const char *text = json_string_value(v);
    bool ok = text && len >= 1 && len <= most;
    for (size_t i = 0; ok && i < len; i++) {
        ok = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    }
    if (!ok) {
        size_t here = fb_course_enter(c, "%s%s", *c->path ? "." : "", name);
        fb_course_refuse(c, "expected a text of 1 to %zu bytes, found %s", most,
                         text ? (len ? "one that is too long or has control characters" : "an empty one") : fb_course_kind_of(v));
        fb_course_leave(c, here);
        return NULL;
    }
    return text;
}

static bool is_key(const char *key, bool asset) {
    size_t len = strlen(key);
    const char *letters = asset ? "abcdefghijklmnopqrstuvwxyz0123456789-" : "abcdefghijklmnopqrstuvwxyz0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ._";
    return len >= 1 && len <= (asset ? FB_COURSE_ASSET_MAX_BYTES : KEY_MAX_BYTES) && strspn(key, letters) == len && !strchr("-._", key[0]);
}

/* The member "key", checked and remembered in `seen` with `value` (stolen). NULL: refused. */
static const char *key_member(fb_course_checker *c, const json_t *object, json_t *seen, json_t *value, bool asset) {
    const char *key = fb_course_text(c, object, "key", asset ? FB_COURSE_ASSET_MAX_BYTES : KEY_MAX_BYTES);
    if (key && !is_key(key, asset)) {
        fb_course_refuse(c, "the key \"%s\" may only have %s, and begins with a letter or a digit", key,
                         asset ? "small letters, digits and hyphens" : "letters, digits, dots, hyphens and underscores");
        key = NULL;
    } else if (key && json_object_get(seen, key)) {
        fb_course_refuse(c, "the key \"%s\" is used a second time in the course", key);
        key = NULL;
    }
    if (!key) {
        json_decref(value);
        return NULL;
    }
    return json_object_set_new(seen, key, value) == 0 ? key : NULL;
}

/* A misspelt member would be left out in silence: only those named (a list that ends in NULL) may be there. */
static bool only_members(fb_course_checker *c, json_t *object, const char *const *names) {
    if (!json_is_object(object)) {
        fb_course_refuse(c, "expected an object, found %s", fb_course_kind_of(object));
        return false;
    }
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        const char *const *known = names;
        while (*known && strcmp(*known, name) != 0) {
            known++;
        }
        if (!*known) {
            fb_course_refuse(c, "there is no member \"%.60s\" here", name);
        }
    }
    return true;
}

json_t *fb_course_array(fb_course_checker *c, const json_t *object, const char *name, size_t least, size_t most) {
    json_t *v = json_object_get(object, name);
    if (!v && least == 0) {
        return NULL;
    }
    if (json_is_array(v) && json_array_size(v) >= least && json_array_size(v) <= most) {
        return v;
    }
    size_t here = fb_course_enter(c, "%s%s", *c->path ? "." : "", name);
    if (json_is_array(v)) {
        fb_course_refuse(c, "expected %zu to %zu elements, found %zu", least, most, json_array_size(v));
    } else {
        fb_course_refuse(c, "expected an array, found %s", fb_course_kind_of(v));
    }
    fb_course_leave(c, here);
    return NULL;
}

static int kind_member(fb_course_checker *c, const json_t *item) {
    const char *name = fb_course_text(c, item, "kind", 40);
    for (int kind = FB_COURSE_VIDEO; name && kind <= FB_COURSE_ASSIGNMENT; kind++) {
        if (strcmp(kinds[kind], name) == 0) {
            return kind;
        }
    }
    if (name) {
        fb_course_refuse(c, "there is no kind \"%s\"; expected video, reading, quiz or assignment", name);
    }
    return 0;
}

static void check_item(fb_course_checker *c, json_t *item, const char *lesson, size_t position) {
    static const char *const members[] = {"key", "kind", "title", "content", "requires", NULL};
    if (!only_members(c, item, members)) {
        return;
    }
    int kind = kind_member(c, item);
    const char *title = fb_course_text(c, item, "title", TITLE_MAX_BYTES);
    const char *key = key_member(c, item, c->seen_items, json_pack("{s:i, s:[], s:i}", "kind", kind, "requires", "mark", 0), false);
    if (kind) {
        fb_course_content(c, kind, json_object_get(item, "content"));
    }
    if (kind && title && key && lesson) {
        json_array_append_new(c->tree->items, json_pack("{s:s, s:s, s:i, s:i, s:s, s:O}", "key", key, "lesson", lesson, "position", (int)position,
                                                        "kind", kind, "title", title, "content", json_object_get(item, "content")));
    }
}

static void check_lesson(fb_course_checker *c, json_t *lesson, const char *module, size_t position) {
    static const char *const members[] = {"key", "title", "items", NULL};
    if (!only_members(c, lesson, members)) {
        return;
    }
    const char *key = key_member(c, lesson, c->seen_lessons, json_true(), false);
    const char *title = fb_course_text(c, lesson, "title", TITLE_MAX_BYTES);
    if (key && title && module) {
        json_array_append_new(c->tree->lessons,
                              json_pack("{s:s, s:s, s:i, s:s}", "key", key, "module", module, "position", (int)position, "title", title));
    }
    json_t *items = fb_course_array(c, lesson, "items", 1, ITEMS_MAX);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        size_t here = fb_course_enter(c, ".items[%zu]", i);
        check_item(c, item, key, i);
        fb_course_leave(c, here);
    }
}

static void check_module(fb_course_checker *c, json_t *module, size_t position) {
    static const char *const members[] = {"key", "title", "lessons", NULL};
    if (!only_members(c, module, members)) {
        return;
    }
    const char *key = key_member(c, module, c->seen_modules, json_true(), false);
    const char *title = fb_course_text(c, module, "title", TITLE_MAX_BYTES);
    if (key && title) {
        json_array_append_new(c->tree->modules, json_pack("{s:s, s:i, s:s}", "key", key, "position", (int)position, "title", title));
    }
    json_t *lessons = fb_course_array(c, module, "lessons", 1, LESSONS_MAX);
    size_t i;
    json_t *lesson;
    json_array_foreach(lessons, i, lesson) {
        size_t here = fb_course_enter(c, ".lessons[%zu]", i);
        check_lesson(c, lesson, key, i);
        fb_course_leave(c, here);
    }
}

static void check_assets(fb_course_checker *c, const json_t *root) {
    static const char *const members[] = {"key", NULL};
    json_t *assets = fb_course_array(c, root, "assets", 0, ASSETS_MAX);
    size_t i;
    json_t *asset;
    json_array_foreach(assets, i, asset) {
        size_t here = fb_course_enter(c, "assets[%zu]", i);
        const char *key = only_members(c, asset, members) ? key_member(c, asset, c->seen_assets, json_true(), true) : NULL;
        if (key) {
            json_array_append_new(c->tree->assets, json_pack("{s:s}", "key", key));
        }
        fb_course_leave(c, here);
    }
}

/* minimum_score in hundredths; -1 when absent, -2 when refused. */
static int minimum_member(fb_course_checker *c, const json_t *require, const json_t *required) {
    const json_t *v = json_object_get(require, "minimum_score");
    if (!v) {
        return -1;
    }
    if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 100) {
        fb_course_refuse(c, "minimum_score: expected a number from 0 to 100, found %s", json_is_number(v) ? "one outside" : fb_course_kind_of(v));
        return -2;
    }
    if (json_integer_value(json_object_get(required, "kind")) != FB_COURSE_QUIZ) {
        fb_course_refuse(c, "minimum_score can never be reached: only a quiz has a score");
        return -2;
    }
    return (int)(json_number_value(v) * 100 + 0.5);
}

static void check_require(fb_course_checker *c, const char *item, json_t *require) {
    static const char *const members[] = {"item", "minimum_score", NULL};
    const char *key = only_members(c, require, members) ? fb_course_text(c, require, "item", KEY_MAX_BYTES) : NULL;
    if (!key) {
        return;
    }
    const json_t *required = json_object_get(c->seen_items, key);
    json_t *list = json_object_get(json_object_get(c->seen_items, item), "requires");
    if (!required) {
        fb_course_refuse(c, "there is no item with the key \"%s\"", key);
        return;
    }
    size_t i;
    json_t *other;
    json_array_foreach(list, i, other) {
        if (strcmp(json_string_value(other), key) == 0) {
            fb_course_refuse(c, "the item \"%s\" is required a second time", key);
            return;
        }
    }
    int minimum = minimum_member(c, require, required);
    if (minimum < -1) {
        return;
    }
    json_array_append_new(list, json_string(key));
    json_array_append_new(c->tree->prerequisites,
                          json_pack("{s:s, s:s, s:o}", "item", item, "required", key, "minimum", minimum < 0 ? json_null() : json_integer(minimum)));
}

/* Follows what the item requires, depth first, with a list of its own instead of recursion: a chain may be as long as the course. Marks: 1 on
 * the way, 2 done. True when the way comes back to itself; `trail` then holds the way. */
static bool finds_cycle(const fb_course_checker *c, const char *from, json_t *trail) {
    json_array_append_new(trail, json_string(from));
    while (json_array_size(trail) > 0) {
        json_t *item = json_object_get(c->seen_items, json_string_value(json_array_get(trail, json_array_size(trail) - 1)));
        json_object_set_new(item, "mark", json_integer(1));
        json_t *list = json_object_get(item, "requires");
        const json_t *next = NULL;
        while (json_array_size(list) > 0 && !next) {
            const json_t *last = json_array_get(list, json_array_size(list) - 1);
            json_int_t mark = json_integer_value(json_object_get(json_object_get(c->seen_items, json_string_value(last)), "mark"));
            if (mark == 2) {
                json_array_remove(list, json_array_size(list) - 1);
                continue;
            }
            json_array_append_new(trail, json_copy((json_t *)last));
            if (mark == 1) {
                return true;
            }
            next = last;
        }
        if (!next) {
            json_object_set_new(item, "mark", json_integer(2));
            json_array_remove(trail, json_array_size(trail) - 1);
        }
    }
    return false;
}

static void describe_cycle(const json_t *trail, char *out, size_t out_len) {
    const char *end = json_string_value(json_array_get(trail, json_array_size(trail) - 1));
    bool in_cycle = false;
    size_t n = 0;
    size_t i;
    json_t *key;
    json_array_foreach(trail, i, key) {
        in_cycle = in_cycle || strcmp(json_string_value(key), end) == 0;
        if (in_cycle && n < out_len) {
            n += (size_t)snprintf(out + n, out_len - n, "%s%s", n ? " → " : "", json_string_value(key));
        }
    }
}

static void check_cycles(fb_course_checker *c) {
    const char *key;
    json_t *item;
    json_object_foreach(c->seen_items, key, item) {
        json_t *trail = json_array();
        if (json_integer_value(json_object_get(item, "mark")) == 0 && finds_cycle(c, key, trail)) {
            char cycle[500];
            describe_cycle(trail, cycle, sizeof cycle);
            fb_course_refuse(c, "items require each other in a circle, so that none could ever be opened: %s", cycle);
            json_decref(trail);
            return;
        }
        json_decref(trail);
    }
}

/* Prerequisites may point forward, so they are looked at when all items are known. */
static void check_requires(fb_course_checker *c, const json_t *root) {
    size_t m, l, i, r;
    json_t *module, *lesson, *item, *require;
    json_array_foreach(json_object_get(root, "modules"), m, module) {
        json_array_foreach(json_object_get(module, "lessons"), l, lesson) {
            json_array_foreach(json_object_get(lesson, "items"), i, item) {
                const char *key = json_string_value(json_object_get(item, "key"));
                size_t here = fb_course_enter(c, "modules[%zu].lessons[%zu].items[%zu]", m, l, i);
                json_t *list = key && json_object_get(c->seen_items, key) ? fb_course_array(c, item, "requires", 0, REQUIRES_MAX) : NULL;
                json_array_foreach(list, r, require) {
                    size_t there = fb_course_enter(c, ".requires[%zu]", r);
                    check_require(c, key, require);
                    fb_course_leave(c, there);
                }
                fb_course_leave(c, here);
            }
        }
    }
    if (c->errors == 0) {
        check_cycles(c);
    }
}

static void check_root(fb_course_checker *c, json_t *root) {
    static const char *const members[] = {"title", "modules", "assets", NULL};
    if (!only_members(c, root, members)) {
        return;
    }
    fb_course_text(c, root, "title", TITLE_MAX_BYTES);
    check_assets(c, root);
    json_t *modules = fb_course_array(c, root, "modules", 1, MODULES_MAX);
    size_t i;
    json_t *module;
    json_array_foreach(modules, i, module) {
        size_t here = fb_course_enter(c, "modules[%zu]", i);
        check_module(c, module, i);
        fb_course_leave(c, here);
    }
    check_requires(c, root);
}

bool fb_course_check(bell_str text, fb_course_tree *tree, fb_course_report report, void *arg) {
    fb_course_checker c = {.tree = tree, .report = report, .arg = arg};
    json_error_t e;
    *tree = (fb_course_tree){
        .modules = json_array(), .lessons = json_array(), .items = json_array(), .prerequisites = json_array(), .assets = json_array()};
    tree->root = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &e);
    if (!tree->root) {
        snprintf(c.path, sizeof c.path, "line %d", e.line);
        fb_course_refuse(&c, "this is not JSON: %s", e.text);
        return false;
    }
    c.seen_modules = json_object();
    c.seen_lessons = json_object();
    c.seen_items = json_object();
    c.seen_assets = json_object();
    check_root(&c, tree->root);
    json_decref(c.seen_modules);
    json_decref(c.seen_lessons);
    json_decref(c.seen_items);
    json_decref(c.seen_assets);
    return c.errors == 0;
}

void fb_course_tree_free(fb_course_tree *tree) {
    for (size_t i = 0; i < tree->nmedia; i++) {
        free(tree->media[i].where);
    }
    free(tree->media);
    json_decref(tree->root);
    json_decref(tree->modules);
    json_decref(tree->lessons);
    json_decref(tree->items);
    json_decref(tree->prerequisites);
    json_decref(tree->assets);
    *tree = (fb_course_tree){0};
}

#include "origin/content/item.h"

const char *fb_item_kind_name(int64_t kind) {
    static const char *const names[] = {"unknown", "video", "reading", "quiz", "assignment"};
    return kind >= FB_ITEM_VIDEO && kind <= FB_ITEM_ASSIGNMENT ? names[kind] : names[0];
}

const char *fb_progress_status_name(int64_t status) {
    static const char *const names[] = {"not_started", "in_progress", "completed"};
    return status >= 0 && status <= 2 ? names[status] : names[0];
}

void fb_item_write_progress(bell_json *j, const PGresult *r, int row, int col) {
    bell_json_key(j, "status");
    bell_json_z(j, fb_progress_status_name(fb_col_i64(r, row, col)));
    fb_col_write_int(j, "percent", r, row, col + 1);
    bell_json_key(j, "score");
    if (PQgetisnull(r, row, col + 2)) {
        bell_json_null(j);
    } else {
        bell_json_fixed(j, fb_col_i64(r, row, col + 2), 2);
    }
    bell_json_key(j, "position_s");
    bell_json_fixed(j, fb_col_i64(r, row, col + 3), 3);
    fb_col_write_int(j, "time_spent_s", r, row, col + 4);
    fb_col_write_time_or_null(j, "started_at", r, row, col + 5);
    fb_col_write_time_or_null(j, "completed_at", r, row, col + 6);
}

void fb_item_write_no_progress(bell_json *j) {
    static const char *const zeros[] = {"position_s", "time_spent_s"}, *const nulls[] = {"started_at", "completed_at"};

    bell_json_key(j, "status");
    bell_json_z(j, fb_progress_status_name(0));
    bell_json_key(j, "percent");
    bell_json_int(j, 0);
    bell_json_key(j, "score");
    bell_json_null(j);
    for (size_t i = 0; i < 2; i++) {
        bell_json_key(j, zeros[i]);
        bell_json_int(j, 0);
    }
    for (size_t i = 0; i < 2; i++) {
        bell_json_key(j, nulls[i]);
        bell_json_null(j);
    }
}

void fb_item_write_lock(bell_json *j, const PGresult *r, int row, int col) {
    bool locked = !PQgetisnull(r, row, col);
    bell_json_key(j, "locked");
    bell_json_bool(j, locked);
    bell_json_key(j, "missing");
    bell_json_raw(j, locked ? fb_col(r, row, col) : BELL_STR("[]"));
}

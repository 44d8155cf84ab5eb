#include "origin/content/person.h"

void fb_person_write(bell_json *j, const PGresult *r, int row, int col) {
    fb_col_write_int(j, "id", r, row, col);
    fb_col_write_str(j, "given_name", r, row, col + 1);
    fb_col_write_str(j, "family_name", r, row, col + 2);
    fb_col_write_str(j, "username", r, row, col + 3);
}

void fb_person_write_kind(bell_json *j, const PGresult *r, int row, int col) {
    int64_t kind = fb_col_i64(r, row, col);

    bell_json_key(j, "signs_in_with");
    bell_json_z(j, kind == 1 ? "password" : kind == 2 ? "pictures" : "none");
}

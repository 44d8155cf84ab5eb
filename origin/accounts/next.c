#include "origin/accounts/next.h"

#include "bell_url.h"

bool fb_is_own_page(bell_str path) {
    return path.len >= 2 && path.p[0] == '/' && bell_url_is_plain_path((bell_str){path.p + 1, path.len - 1});
}

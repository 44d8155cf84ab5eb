#include "origin/accounts/password_rules.h"

#include <stdio.h>

#include "origin/accounts/password.h"

#define CORE_MAX 64

/* What people choose first, without digits and signs around: our own list of words that every published study names, and of what schools add. */
static const char *const common[] = {
    "abc",       "abcd",     "abcde",     "abcdef",    "abcdefg",   "abcdefgh",   "access",       "account",    "admin",      "administrator",
    "aloha",     "amanda",   "america",   "android",   "angel",     "anthony",    "apple",        "ashley",     "asshole",    "august",
    "awesome",   "babygirl", "bailey",    "banana",    "baseball",  "basketball", "batman",       "biteme",     "blink",      "butterfly",
    "changeme",  "charlie",  "cheese",    "chelsea",   "chocolate", "classroom",  "computer",     "cookie",     "cowboys",    "daniel",
    "december",  "default",  "dolphin",   "donald",    "dragon",    "eagles",     "family",       "february",   "firebird",   "firstbell",
    "flower",    "football", "fortnite",  "freedom",   "friday",    "friends",    "fuckyou",      "gamer",      "george",     "ginger",
    "google",    "guest",    "guitar",    "hannah",    "harley",    "harry",      "hello",        "hellokitty", "helloworld", "homework",
    "hockey",    "hottie",   "hunter",    "iloveu",    "iloveyou",  "internet",   "january",      "jasmine",    "jennifer",   "jessica",
    "jordan",    "joshua",   "july",      "june",      "justin",    "killer",     "kindergarten", "kitten",     "learning",   "letmein",
    "liverpool", "login",    "london",    "loveme",    "lovely",    "lovelove",   "maggie",       "march",      "master",     "matthew",
    "mercedes",  "michael",  "michelle",  "minecraft", "monday",    "monkey",     "mustang",      "mylove",     "mypassword", "naruto",
    "nicole",    "nintendo", "november",  "october",   "orange",    "pass",       "passcode",     "passw",      "password",   "passwort",
    "peanut",    "pepper",   "pikachu",   "player",    "pokemon",   "princess",   "purple",       "qazwsx",     "qazwsxedc",  "qwe",
    "qwerty",    "rainbow",  "ranger",    "roblox",    "robert",    "samantha",   "samsung",      "saturday",   "school",     "secret",
    "september", "shadow",   "soccer",    "softball",  "spiderman", "starwars",   "student",      "summer",     "sunday",     "sunflower",
    "sunshine",  "superman", "superstar", "teacher",   "test",      "testing",    "thomas",       "thursday",   "tigger",     "tiger",
    "trustno",   "tuesday",  "unicorn",   "user",      "wednesday", "welcome",    "whatever",     "william",    "winter",     "wizard",
    "yankees",   "yellow",   "youtube",   "zaqxsw",    "zxcvbn",    "zxcvbnm",
};

/* Rows of keys and counts; whatever lies in one of them, forwards or backwards, is a row. */
static const char *const rows[] = {
    "01234567890123456789", "abcdefghijklmnopqrstuvwxyz",   "qwertyuiop",          "asdfghjkl", "zxcvbnm", "qwertzuiop",
    "azertyuiop",           "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "1q2w3e4r5t6y7u8i9o0p"};

static const char *const pictures[FB_PICTURES] = {"cat",  "dog",   "fish", "bird", "sun",   "moon",  "star", "tree",
                                                  "boat", "house", "ball", "kite", "apple", "cloud", "key",  "flower"};

static char small(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static char letter_of(char c) {
    static const char from[] = "013457@$!", to[] = "oieastasi";
    const char *at = c ? strchr(from, c) : NULL;
    return at ? to[at - from] : c;
}

static bool is_word(const char *core, size_t len) {
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        if (strlen(common[i]) == len && memcmp(common[i], core, len) == 0) {
            return true;
        }
    }
    return false;
}

/* A common word, or two of them or one twice, once signs and digits around are gone and digits within stand for letters. */
static bool is_common_word(const char *p, size_t len) {
    char core[CORE_MAX];
    while (len > 0 && !((p[len - 1] >= 'a' && p[len - 1] <= 'z') || (unsigned char)p[len - 1] >= 0x80)) {
        len--;
    }
    while (len > 0 && !((*p >= 'a' && *p <= 'z') || (unsigned char)*p >= 0x80 || *p == '@' || *p == '$')) {
        p++;
        len--;
    }
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] != ' ' && p[i] != '-' && p[i] != '_' && p[i] != '.') {
            core[n++] = letter_of(p[i]);
        }
    }
    for (size_t cut = 1; cut < n; cut++) {
        if (is_word(core, cut) && is_word(core + cut, n - cut)) {
            return true;
        }
    }
    return n > 0 && is_word(core, n);
}

static bool lies_in(const char *row, const char *p, size_t len) {
    size_t row_len = strlen(row);
    for (size_t at = 0; at + len <= row_len; at++) {
        size_t forwards = 0;
        size_t backwards = 0;
        while (forwards < len && row[at + forwards] == p[forwards]) {
            forwards++;
        }
        while (backwards < len && row[at + backwards] == p[len - 1 - backwards]) {
            backwards++;
        }
        if (forwards == len || backwards == len) {
            return true;
        }
    }
    return false;
}

/* The whole is made of at most three pieces that lie in rows, each of at least three: "qwerty123", "abc12345". */
static bool is_rows(const char *p, size_t len, int pieces) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (lies_in(rows[i], p, len)) {
            return true;
        }
    }
    for (size_t cut = 3; pieces > 1 && cut + 3 <= len; cut++) {
        if (is_rows(p, cut, 1) && is_rows(p + cut, len - cut, pieces - 1)) {
            return true;
        }
    }
    return false;
}

/* One to four characters over and over: "aaaaaaaa", "12121212", "abcabcabc". */
static bool is_repetition(const char *p, size_t len) {
    for (size_t period = 1; period <= 4 && period * 2 <= len; period++) {
        size_t i = period;
        while (i < len && p[i] == p[i - period]) {
            i++;
        }
        if (i == len) {
            return true;
        }
    }
    return false;
}

/* A date or a year and what is near: digits only, with or without parting signs, of at most ten. */
static bool is_digits_only(const char *p, size_t len) {
    size_t digits = 0;
    for (size_t i = 0; i < len; i++) {
        if (is_digit(p[i])) {
            digits++;
        } else if (p[i] != '/' && p[i] != '-' && p[i] != '.' && p[i] != ' ') {
            return false;
        }
    }
    return digits <= 10;
}

bool fb_password_is_common(bell_str password) {
    char text[CORE_MAX] = "";
    if (password.len > sizeof text) {
        return is_repetition(password.p, password.len);
    }
    for (size_t i = 0; i < password.len; i++) {
        text[i] = small(password.p[i]);
    }
    return is_repetition(text, password.len) || is_rows(text, password.len, 3) || is_digits_only(text, password.len) ||
           is_common_word(text, password.len);
}

static size_t characters(bell_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    }
    return n;
}

/* The name with at most four other characters around: "anna2015" of Anna. A name of fewer than three characters is in many words. */
static bool is_made_of(bell_str password, bell_str name) {
    if (characters(name) < 3 || name.len > password.len || characters(password) > characters(name) + 4) {
        return false;
    }
    for (size_t at = 0; at + name.len <= password.len; at++) {
        if (bell_str_ieq((bell_str){password.p + at, name.len}, name)) {
            return true;
        }
    }
    return false;
}

const char *fb_password_rule(bell_str password, long min_length, const fb_password_owner *owner, char *room, size_t room_len) {
    if (!bell_str_is_utf8(password)) {
        return "This password has characters that cannot be stored. Please use letters, digits and signs.";
    }
    if (characters(password) < (size_t)min_length) {
        snprintf(room, room_len, "This password is too short. Use at least %ld characters; three or four words are easy to remember.", min_length);
        return room;
    }
    if (password.len > FB_PASSWORD_MAX_BYTES) {
        return "This password is too long. Please use a shorter one.";
    }
    if (fb_password_is_common(password)) {
        return "Many people use this password, so it is easy to guess. Please think of another one, for example three words that do not belong "
               "together.";
    }
    if (is_made_of(password, owner->username) || is_made_of(password, owner->given_name) || is_made_of(password, owner->family_name)) {
        return "This password is nearly your name, so it is easy to guess. Please think of another one.";
    }
    return NULL;
}

const char *fb_picture_name(size_t i) {
    return i < FB_PICTURES ? pictures[i] : NULL;
}

static bool is_picture(bell_str name) {
    for (size_t i = 0; i < FB_PICTURES; i++) {
        if (bell_str_eq(name, bell_str_of(pictures[i]))) {
            return true;
        }
    }
    return false;
}

const char *fb_pictures_text(const bell_str *names, size_t n, char text[FB_PICTURES_TEXT]) {
    size_t len = (size_t)sprintf(text, "pictures");
    if (n != FB_PICTURES_CHOSEN) {
        return "Choose four pictures.";
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_picture(names[i])) {
            return "One of these pictures is not known here.";
        }
        len += (size_t)snprintf(text + len, FB_PICTURES_TEXT - len, " %.*s", BELL_STR_ARG(names[i]));
    }
    return NULL;
}

bool fb_pictures_good(const bell_str *names, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if (!bell_str_eq(names[i], names[0])) {
            return true;
        }
    }
    return false;
}

bool fb_pictures_for_grades(bell_str grades) {
    static const char *const youngest[] = {"IT", "PR", "PK", "TK", "KG", "01", "02", "1", "2"};
    bool any = false;
    grades.p += grades.len > 0;
    grades.len -= grades.len > 0 ? 2 : 0;
    while (grades.len > 0) {
        bell_str grade = bell_str_cut(&grades, ',');
        bool young = false;
        for (size_t i = 0; i < sizeof youngest / sizeof *youngest; i++) {
            young = young || bell_str_eq(grade, bell_str_of(youngest[i]));
        }
        if (!young) {
            return false;
        }
        any = true;
    }
    return any;
}

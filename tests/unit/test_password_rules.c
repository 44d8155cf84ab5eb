#include "origin/accounts/password_rules.h"
#include "unit.h"

#include <stdio.h>

static const struct {
    const char *password;
    bool common;
} passwords[] = {
    {"password", true},
    {"Password1", true},
    {"P@ssw0rd2026!", true},
    {"12345678", true},
    {"87654321", true},
    {"31.12.2015", true},
    {"qwerty123", true},
    {"QWERTZUIOP", true},
    {"1q2w3e4r", true},
    {"abcd1234", true},
    {"abcdefgh", true},
    {"aaaaaaaa", true},
    {"abcabcabc", true},
    {"iloveyou2", true},
    {"ILoveYou!!", true},
    {"minecraft99", true},
    {"sunshine sunflower", true},
    {"letmein-letmein", true},
    {"12monkey34", true},
    {"welcome_2_school", false},
    {"seven otters", false},
    {"correct horse", false},
    {"fish lamp tree", false},
    {"gr\xc3\xb6\xc3\x9f"
     "er als Igel",
     false},
    {"xk4!pz9q", false},
    {"0041791234567", false},
    {"passwording", false},
};

static void what_everybody_tries(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(passwords); i++) {
        assert_row(fb_password_is_common(bell_str_of(passwords[i].password)) == passwords[i].common, passwords[i].password);
    }
    char text[300];
    memset(text, 'a', sizeof text);
    assert_true(fb_password_is_common((bell_str){text, sizeof text}));
    assert_true(fb_password_is_common((bell_str){"", 0})); /* it is too short anyway */
}

static const struct {
    const char *name;
    bell_str password;
    const char *sentence; /* its beginning; NULL: may be set */
} rules[] = {
    {"seven characters", {"otters7", 7}, "This password is too short. Use at least 8"},
    {"seven characters of two bytes", {"\xc3\xa9\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa8\xc3\xa0\xc3\xb1", 14}, "This password is too short"},
    {"eight of two bytes", {"\xc3\xa9\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa8\xc3\xa0\xc3\xb1\xc3\xab", 16}, NULL},
    {"words", {"seven otters", 12}, NULL},
    {"a common one", {"football", 8}, "Many people use this password"},
    {"the user name", {"ana.lopez", 9}, "This password is nearly your name"},
    {"the user name in capitals with digits", {"ANA.LOPEZ12", 11}, "This password is nearly your name"},
    {"the family name with digits around", {"7Lopez77", 8}, "This password is nearly your name"},
    {"the family name within words", {"Lopez likes otters", 18}, NULL},
    {"a short given name", {"bokkenrijder", 12}, NULL},
    {"not UTF-8", {"seven otters\xff", 13}, "This password has characters that cannot be stored"},
    {"a NUL", {"seven\0otters", 12}, "This password has characters that cannot be stored"},
};

static void the_rules(void **state) {
    (void)state;
    char room[200];
    fb_password_owner owner = {BELL_STR("ana.lopez"), BELL_STR("Bo"), BELL_STR("Lopez")};
    for (size_t i = 0; i < ROWS(rules); i++) {
        const char *sentence = fb_password_rule(rules[i].password, 8, &owner, room, sizeof room);
        assert_row((sentence == NULL) == (rules[i].sentence == NULL), rules[i].name);
        assert_row(sentence == NULL || strncmp(sentence, rules[i].sentence, strlen(rules[i].sentence)) == 0, rules[i].name);
    }
    char text[300];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i * 7 % 26);
    }
    assert_null(fb_password_rule((bell_str){text, 256}, 8, &owner, room, sizeof room));
    assert_non_null(fb_password_rule((bell_str){text, 257}, 8, &owner, room, sizeof room));
    assert_non_null(fb_password_rule(BELL_STR("seven otters"), 15, &owner, room, sizeof room));
}

static void pictures(void **state) {
    (void)state;
    char text[FB_PICTURES_TEXT];
    bell_str names[5] = {BELL_STR("flower"), BELL_STR("flower"), BELL_STR("flower"), BELL_STR("house"), BELL_STR("cat")};
    assert_null(fb_pictures_text(names, 4, text));
    assert_string_equal(text, "pictures flower flower flower house");
    assert_true(fb_pictures_good(names, 4));
    assert_false(fb_pictures_good(names, 3));
    assert_non_null(fb_pictures_text(names, 3, text));
    assert_non_null(fb_pictures_text(names, 5, text));
    names[2] = BELL_STR("flower house");
    assert_non_null(fb_pictures_text(names, 4, text));
    size_t n = 0;
    while (fb_picture_name(n) != NULL) {
        n++;
    }
    assert_int_equal(n, FB_PICTURES);
}

static const struct {
    const char *grades;
    bool young;
} grades[] = {
    {"{}", false},   {"", false},       {"{KG}", true},     {"{PK}", true},  {"{01}", true},      {"{02}", true},
    {"{03}", false}, {"{KG,01}", true}, {"{02,03}", false}, {"{07}", false}, {"{\"01\"}", false},
};

static void the_youngest(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(grades); i++) {
        assert_row(fb_pictures_for_grades(bell_str_of(grades[i].grades)) == grades[i].young, grades[i].grades);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_everybody_tries),
        cmocka_unit_test(the_rules),
        cmocka_unit_test(pictures),
        cmocka_unit_test(the_youngest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

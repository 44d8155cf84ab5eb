#include "origin/jobs/mail.h"
#include "unit.h"

#include <stdio.h>

static const struct {
    bell_str address;
    bool plain;
} addresses[] = {
    {{"ana@example.org", 15}, true},
    {{"a@b", 3}, true},
    {{"ana.lopez+school@mail.example.org", 33}, true},
    {{"o'neil@example.org", 18}, true},
    {{"", 0}, false},
    {{"@b", 2}, false},
    {{"ana", 3}, false},
    {{"ana@", 4}, false},
    {{"a@b@c", 5}, false},
    {{"ana@example.org\r\nBcc: x@y", 25}, false},
    {{"ana@example.org\nRCPT TO:<x@y>", 29}, false},
    {{"ana@example.org>", 16}, false},
    {{"<ana@example.org", 16}, false},
    {{"ana lopez@example.org", 21}, false},
    {{"ana@example.org,x", 17}, false},
    {{"\"ana\"@example.org", 17}, false},
    {{"-oQ@example.org", 15}, false},
    {{"\xc3\xa4na@example.org", 16}, false},
    {{"ana\0@example.org", 16}, false},
};

static void addresses_that_may_stand_in_an_envelope(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(addresses); i++) {
        assert_row(fb_mail_address_is_plain(addresses[i].address) == addresses[i].plain, addresses[i].address.p);
    }
}

static void a_mail(void **state) {
    (void)state;
    bell_buf out;
    bell_buf_init(&out, 65536);
    fb_mail m = {.from = "bell@example.org",
                 .from_name = BELL_STR("District"),
                 .to = "ana@example.org",
                 .subject = "Your new password",
                 .domain = "demo.example.org",
                 .id = "1.2",
                 .date_s = 1767225599,
                 .text = BELL_STR("Hello\n")};
    fb_mail_compose(&out, &m);
    assert_false(out.failed);
    bell_buf_add_char(&out, 0);
    assert_string_equal(out.p, "Date: Wed, 31 Dec 2025 23:59:59 +0000\r\n"
                               "From: =?utf-8?B?RGlzdHJpY3Q=?=\r\n <bell@example.org>\r\n"
                               "To: <ana@example.org>\r\nSubject: Your new password\r\nMessage-ID: <1.2@demo.example.org>\r\n"
                               "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                               "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8NCg==\r\n");
    bell_buf_fini(&out);
}

/* Whatever a name holds: every line is a header of ours or a continuation, and short. */
static void a_name_stays_a_name(void **state) {
    (void)state;
    char name[400];
    for (size_t i = 0; i + 2 < sizeof name; i += 3) {
        memcpy(name + i, i % 2 ? "\r\nB" : "\xe2\x82\xac", 3);
    }
    bell_buf out;
    bell_buf_init(&out, 65536);
    fb_mail m = {
        .from = "a@b.example", .from_name = {name, 399}, .to = "c@d.example", .subject = "S", .domain = "d", .id = "1", .text = BELL_STR("")};
    fb_mail_compose(&out, &m);
    bell_str rest = bell_buf_str(&out);
    size_t froms = 0;
    while (rest.len > 0) {
        bell_str line = bell_str_cut(&rest, '\n');
        assert_true(line.len <= 77);
        assert_true(line.len > 0 && line.p[line.len - 1] == '\r');
        froms += bell_str_starts(line, BELL_STR("From: "));
        assert_false(bell_str_starts(line, BELL_STR("B")));
    }
    assert_int_equal(froms, 1);
    bell_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_may_stand_in_an_envelope),
        cmocka_unit_test(a_mail),
        cmocka_unit_test(a_name_stays_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

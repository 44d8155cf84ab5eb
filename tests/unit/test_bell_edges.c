#include "bell_edges.h"
#include "unit.h"

#define SECOND 1000000

static void numbers(void **state) {
    static const struct {
        int64_t at_s, counted;
        uint32_t n;
        const char *what;
    } rows[] = {
        {0, 4, 4, "the first answer"},
        {5, 5, 5, "one more counts at once"},
        {10, 1, 5, "a store that was emptied counts anew"},
        {15, 5, 5, "and has all of them soon"},
        {20, 3, 5, "two have gone"},
        {75, 3, 5, "and may come back for a minute"},
        {76, 3, 3, "then they are no longer counted"},
        {77, 0, 3, "there is always this one"},
        {138, -7, 1, "whatever is said"},
        {139, 65, 64, "more than there can be"},
        {140, 1000000000000, 64, "far more"},
    };
    bell_edges edges = {0};

    (void)state;
    assert_int_equal(bell_edges_number(&edges), 1);
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint32_t before = bell_edges_number(&edges);
        bool changed = bell_edges_counted(&edges, rows[i].counted, rows[i].at_s * SECOND);
        assert_row(bell_edges_number(&edges) == rows[i].n, rows[i].what);
        assert_row(changed == (before != rows[i].n), rows[i].what);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the unit tests of the core share: cmocka's headers in the order it wants them, and the number of rows of a table. */
#ifndef UNIT_H
#define UNIT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

/* Fails with the row's text, so that a table says which of its rows is wrong. */
#define assert_row(condition, row)                                                                                                                   \
    do {                                                                                                                                             \
        if (!(condition))                                                                                                                            \
            fail_msg("row \"%s\": %s", (row), #condition);                                                                                           \
    } while (0)

#endif

/* A calendar's file as `firstbell calendar import` takes it: what is taken is laid out in order and within its bounds, and is the same when it is
 * written as a file of its own and read again; what is refused has a sentence. longest input: 2048 bytes */
#include "origin/calendar/expand.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define FROM_S 1785542400 /* 2026-08-01 */
#define TO_S   (FROM_S + FB_CALENDAR_DAYS_AHEAD * 86400)

static void count(void *arg, unsigned line, bool is_mistake, const char *sentence) {
    (void)line;
    fuzz_assert(sentence[0] != '\0');
    *(unsigned *)arg += is_mistake;
}

static void check_spans(const fb_calendar_spans *s) {
    fuzz_assert(s->n <= FB_CALENDAR_SPANS_MAX);
    for (size_t i = 0; i < s->n; i++) {
        fuzz_assert(s->all[i].end_s >= s->all[i].start_s && s->all[i].end_s >= FROM_S && s->all[i].start_s < TO_S);
        fuzz_assert(i == 0 || s->all[i].start_s > s->all[i - 1].start_s);
    }
}

static bool lay_out(const fb_calendar *c, const fb_calendar_event *e, fb_calendar_spans *spans) {
    char why[FB_CALENDAR_WHY_BYTES] = "";
    unsigned steps = FB_CALENDAR_STEPS_MAX;
    bool ok = fb_calendar_expand(c->root, e, fb_calendar_zone("Europe/Berlin"), FROM_S, TO_S, &steps, spans, why);

    fuzz_assert(ok == (why[0] == '\0'));
    if (ok) {
        check_spans(spans);
    }
    return ok;
}

static void check_again(const fb_calendar *c, const fb_calendar_event *e, const fb_calendar_spans *before) {
    unsigned mistakes = 0;
    fb_calendar again;
    fb_calendar_spans spans;
    bell_buf out;

    if (fb_calendar_write_event(c, e, &out)) {
        fuzz_assert(fb_calendar_read(&again, bell_buf_str(&out), fb_calendar_zone("Europe/Berlin"), count, &mistakes));
        fuzz_assert(again.nevents == 1 && again.events[0].kind == e->kind && strcmp(again.events[0].uid, e->uid) == 0);
        fuzz_assert(lay_out(&again, &again.events[0], &spans));
        fuzz_assert(spans.n == before->n && (spans.n == 0 || memcmp(spans.all, before->all, spans.n * sizeof *spans.all) == 0));
        free(spans.all);
        fb_calendar_fini(&again);
    }
    bell_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    unsigned mistakes = 0;
    fb_calendar c;
    bool good = fb_calendar_read(&c, (bell_str){(const char *)data, size}, fb_calendar_zone("Europe/Berlin"), count, &mistakes);

    fuzz_assert(good == (mistakes == 0));
    for (size_t i = 0; good && i < c.nevents; i++) {
        fb_calendar_spans spans;
        if (lay_out(&c, &c.events[i], &spans)) {
            check_again(&c, &c.events[i], &spans);
        }
        free(spans.all);
    }
    fb_calendar_fini(&c);
    return 0;
}

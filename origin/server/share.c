#include "origin/server/share.h"

#include "origin/server/reply.h"
#include "origin/server/route.h"
#include "origin/server/worker.h"

#define PAGES_LIFETIME "max-age=10, stale-while-revalidate=30, stale-if-error=86400"
#define FILES_LIFETIME "max-age=86400, stale-while-revalidate=3600, stale-if-error=86400"
#define FILES_UNTOLD   "max-age=60, stale-while-revalidate=60, stale-if-error=3600" /* no purge can reach the edges */

const char *fb_share_name(fb_share share) {
    static const char *const names[] = {"nobody", "district", "token"};
    return names[share];
}

/* How long an edge may keep it; NULL: not at all. */
static const char *lifetime(const fb_job *job) {
    switch (job->route->share) {
    case FB_SHARE_DISTRICT:
        return PAGES_LIFETIME;
    case FB_SHARE_TOKEN:
        if (job->context.by_token) {
            return strcmp(job->worker->settings->redis, "-") == 0 ? FILES_UNTOLD : FILES_LIFETIME;
        }
        break;
    case FB_SHARE_NOBODY:
        break;
    }
    return NULL;
}

void fb_share_say(fb_job *job, const char *tags) {
    const char *control = lifetime(job);

    if (control != NULL) {
        fb_reply_header(job, "CDN-Cache-Control: %s", control);
        fb_reply_header(job, "Cache-Scope: public");
        fb_reply_header(job, "Cache-Tag: %s", tags);
    }
}

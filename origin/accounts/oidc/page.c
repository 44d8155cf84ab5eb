#include "origin/accounts/oidc/page.h"

#include "origin/accounts/oidc/attempt.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"
#include "origin/server/worker.h"

#define PAGE             "error/sign-in.html"
#define RETRY_AFTER_S    5
#define ANOTHER_PROVIDER "The other service"

/* Behind the provider's name, or in its place. */
static const struct {
    unsigned status;
    bool names_provider;
    const char *sentence;
} messages[FB_OIDC_MESSAGES] = {
    [FB_OIDC_UNAVAILABLE] = {503, true, "cannot be reached right now. Please try again in a moment."},
    [FB_OIDC_BROKEN] = {502, true, "answered in a way that cannot be used here. Please tell the people who look after Firstbell in your district."},
    [FB_OIDC_UNTRUSTED] = {502, true, "sent an answer that could not be verified, so nobody was signed in. Please try again."},
    [FB_OIDC_STALE] = {400, false, "This sign-in took too long, was begun in another browser or tab, or was used already. Please begin again."},
    [FB_OIDC_DENIED] = {403, true, "did not sign you in, or you stopped there. You can try again."},
    [FB_OIDC_UNKNOWN] = {403, true, "knows you, but nobody here is known by that account. Please ask your teacher or the school office."},
    [FB_OIDC_AMBIGUOUS] = {403, true, "knows you, but more than one person here fits that account. Please ask your teacher or the school office."},
    [FB_OIDC_TAKEN] = {403, true, "knows you under another account than the one that yours here is linked with. Please ask the school office."},
    [FB_OIDC_UNVERIFIED] = {403, true, "has not verified your e-mail address. Please have it verified there first, or ask the school office."},
    [FB_OIDC_OUTSIDE] = {403, true, "signed you in with an account that does not belong to your district. Please choose your school account there."},
    [FB_OIDC_DISABLED] = {403, false, "Your account here is not active. Please ask your teacher or the school office."},
};

void fb_oidc_reply_message(fb_job *job, fb_oidc_message m, const char *provider) {
    const fb_static_file *file = fb_static_find(&job->worker->web, BELL_STR(PAGE));
    const char *sentence = messages[m].sentence;

    if (messages[m].names_provider) {
        sentence = bell_arena_printf(&job->arena, "%s %s", provider != NULL ? provider : ANOTHER_PROVIDER, sentence);
    }
    if (file == NULL || sentence == NULL) {
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return;
    }
    if (messages[m].status == 503) {
        fb_reply_header(job, "Retry-After: %d", RETRY_AFTER_S);
    }
    fb_reply_header(job, "Set-Cookie: " FB_OIDC_COOKIE "=; Max-Age=0; " FB_COOKIE_ATTRIBUTES);
    const fb_page_mark marks[] = {{"<!--sentence-->", bell_str_of(sentence), false}, {"<!--request_id-->", bell_str_of(job->request_id), false}};
    fb_reply_page(job, file, messages[m].status, marks, 2);
}

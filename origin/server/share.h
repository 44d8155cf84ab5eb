/* Whose an answer is, told to the caches of the edges (modules/cache) in fields that they keep to themselves: CDN-Cache-Control (RFC 9213),
 * Cache-Scope and Cache-Tag. What browsers may keep stands in Cache-Control, and is another matter: theirs cannot be taken back. An answer that says
 * nothing of this is stored by no edge. */
#ifndef FB_SHARE_H
#define FB_SHARE_H

struct fb_job;

/* Of a route. A stored answer is given to others without asking here: what guards a route is checked by the edge before it looks (the tenant, a token
 * of ours), or its answers are nobody's to share. Nothing is shared by role: what a role has in common, its pages, carries a form's token, and what a
 * course has is for the enrolled, each with what they have done. */
typedef enum {
    FB_SHARE_NOBODY,   /* stored by no edge: personal, under a guard that only we know, or changed by being asked for */
    FB_SHARE_DISTRICT, /* the same for everybody of the tenant, signed in or not */
    FB_SHARE_TOKEN,    /* the same for everybody whose token for the address an edge has checked (fb_context.by_token); without one nobody's */
} fb_share;

/* "nobody", "district", "token" */
const char *fb_share_name(fb_share share);

/* Adds what the job's route says to a reply of 200, 206 or 304 that is about to be sent; nothing where it may not be shared. tags: names by which it
 * is taken back, "course-17, asset-3" (lua-free/bell_cache_tags.h). Files of courses are kept long where they can be taken back, and a minute where
 * no Redis is set up through which edges would hear of it; pages are asked for anew every few seconds, for a new release tells nobody. */
void fb_share_say(struct fb_job *job, const char *tags);

#endif

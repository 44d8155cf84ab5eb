/* Pages, their files, and health. */
#ifndef FB_PAGES_H
#define FB_PAGES_H

#include "origin/server/job.h"

/* GET /: to the role's home, or to the sign-in page. */
void fb_page_root(fb_job *job);
/* The file that the route names. */
void fb_page_file(fb_job *job);
/* GET /web/{path} */
void fb_web_file(fb_job *job);
/* GET /healthz: this process answers. */
void fb_healthz(fb_job *job);
/* GET /readyz: and the database does. */
void fb_readyz(fb_job *job);

#endif

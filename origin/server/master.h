/* The master of the api: owns the listening socket and the pid file, forks the workers, replaces those that die, and drains them.
 * SIGTERM, SIGINT: drain and end. SIGHUP: pages and keys are read again by new
 * workers, then the old ones drain; a changed settings file needs a restart. SIGUSR1: logs are opened again. */
#ifndef FB_MASTER_H
#define FB_MASTER_H

#include "origin/db/pool.h"
#include "origin/server/route.h"
#include "origin/server/settings.h"

int fb_master_run(const fb_settings *s, const fb_route *routes, const fb_stmt *const *statements, const fb_stmt *batched);

#endif

/* The commands of `firstbell`, one function each; the table is in origin/main.c. argv[0] is the command's last word. They return the exit code:
 * 0 done, 1 failed (a sentence is on standard error), 2 wrong usage. */
#ifndef FB_COMMANDS_H
#define FB_COMMANDS_H

#include "origin/server/settings.h"

int fb_cmd_api(const fb_settings *s, int argc, char **argv);
int fb_cmd_jobs(const fb_settings *s, int argc, char **argv);
int fb_cmd_migrate(const fb_settings *s, int argc, char **argv);
int fb_cmd_edge_key_new(const fb_settings *s, int argc, char **argv);
int fb_cmd_routes(const fb_settings *s, int argc, char **argv);
int fb_cmd_settings(const fb_settings *s, int argc, char **argv);
int fb_cmd_keys_rotate(const fb_settings *s, int argc, char **argv);
int fb_cmd_keys_public(const fb_settings *s, int argc, char **argv);
int fb_cmd_keys_list(const fb_settings *s, int argc, char **argv);
int fb_cmd_sign(const fb_settings *s, int argc, char **argv);
int fb_cmd_sign_key_new(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_add(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_list(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_set(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_host_add(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_host_remove(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_host_move(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_key_add(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_key_list(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_key_end(const fb_settings *s, int argc, char **argv);
int fb_cmd_tenant_sign_out(const fb_settings *s, int argc, char **argv);
int fb_cmd_pool_set(const fb_settings *s, int argc, char **argv);
int fb_cmd_pool_list(const fb_settings *s, int argc, char **argv);
int fb_cmd_pool_remove(const fb_settings *s, int argc, char **argv);
int fb_cmd_limits_explain(const fb_settings *s, int argc, char **argv);
int fb_cmd_purge(const fb_settings *s, int argc, char **argv);
int fb_cmd_warm(const fb_settings *s, int argc, char **argv);
int fb_cmd_calendar_import(const fb_settings *s, int argc, char **argv);
int fb_cmd_calendar_show(const fb_settings *s, int argc, char **argv);
int fb_cmd_calendar_set(const fb_settings *s, int argc, char **argv);
int fb_cmd_calendar_remove(const fb_settings *s, int argc, char **argv);
int fb_cmd_calendar_extend(const fb_settings *s, int argc, char **argv);
int fb_cmd_access_show(const fb_settings *s, int argc, char **argv);
int fb_cmd_directory_key(const fb_settings *s, int argc, char **argv);
int fb_cmd_directory_publish(const fb_settings *s, int argc, char **argv);
int fb_cmd_directory_show(const fb_settings *s, int argc, char **argv);
int fb_cmd_oidc_add(const fb_settings *s, int argc, char **argv);
int fb_cmd_oidc_list(const fb_settings *s, int argc, char **argv);
int fb_cmd_oidc_remove(const fb_settings *s, int argc, char **argv);
int fb_cmd_oidc_unlink(const fb_settings *s, int argc, char **argv);
int fb_cmd_roster_import(const fb_settings *s, int argc, char **argv);
int fb_cmd_user_add(const fb_settings *s, int argc, char **argv);
int fb_cmd_user_passwd(const fb_settings *s, int argc, char **argv);
int fb_cmd_user_code(const fb_settings *s, int argc, char **argv);
int fb_cmd_user_reset(const fb_settings *s, int argc, char **argv);
int fb_cmd_course_import(const fb_settings *s, int argc, char **argv);

#endif

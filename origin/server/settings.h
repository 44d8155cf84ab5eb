/* The settings of `firstbell`: one file of "key = value" lines, '#' begins a comment. Every setting is in one table in settings.c with its default,
 * its bounds and a sentence; an unknown key, a value out of bounds or a duplicate stops the program with file, line, what was found and what was
 * expected. */
#ifndef FB_SETTINGS_H
#define FB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define FB_SETTING_TEXT_MAX 512
#define FB_WORKERS_MAX      64

typedef struct {
    char listen[FB_SETTING_TEXT_MAX];   /* unix:PATH or ADDRESS:PORT */
    char database[FB_SETTING_TEXT_MAX]; /* libpq conninfo without a user */
    char schema_dir[FB_SETTING_TEXT_MAX];
    char web_root[FB_SETTING_TEXT_MAX];
    char media_root[FB_SETTING_TEXT_MAX];
    char session_key[FB_SETTING_TEXT_MAX];
    char session_keys_dir[FB_SETTING_TEXT_MAX];
    char session_public_keys[FB_SETTING_TEXT_MAX];
    char edge_keys_dir[FB_SETTING_TEXT_MAX];
    char fetch_ca_file[FB_SETTING_TEXT_MAX];
    char fetch_private_hosts[FB_SETTING_TEXT_MAX]; /* words, or "-" */
    char oidc_secrets_dir[FB_SETTING_TEXT_MAX];
    char directory_file[FB_SETTING_TEXT_MAX];
    char access_log[FB_SETTING_TEXT_MAX]; /* a path, or "-" for standard output */
    char error_log[FB_SETTING_TEXT_MAX];  /* a path, or "-" for standard error */
    char pid_file[FB_SETTING_TEXT_MAX];
    char jobs_pid_file[FB_SETTING_TEXT_MAX];
    long workers;                              /* processes; 0: one a core */
    char direct_database[FB_SETTING_TEXT_MAX]; /* the same without a pooler; "-": database */
    char db_prepared[FB_SETTING_TEXT_MAX];     /* "on" or "off" */
    long db_connections;                       /* a worker */
    long db_heavy_connections;
    long db_heavy_waiting_max;
    long db_batch_connections;
    long db_batch_waiting_max;
    long db_statement_timeout_ms;
    long db_waiting_max;  /* statement groups that may wait for a connection, a worker */
    long connections_max; /* client connections, a worker */
    long head_max_bytes;
    long body_max_bytes;
    long request_deadline_ms;
    long idle_timeout_ms;
    long drain_timeout_ms;
    long helper_threads; /* a worker, for what would block the loop */
    long helper_queue_max;
    long session_ttl_s;
    long sessions_a_user_max;
    long fetches_max; /* transfers to other servers at a time, a worker */
    long fetches_waiting_max;
    long fetch_connect_timeout_ms;
    long fetch_timeout_ms;
    long oidc_attempt_s;
    long oidc_cache_s;
    long oidc_keys_again_s;
    long outbox_keep_days;
    long media_link_lifetime_s; /* of a token in the address of a file */
    long media_key_settle_s;    /* until every edge has a key of the directory */
    long jobs_statement_timeout_s;
    char codes_key[FB_SETTING_TEXT_MAX]; /* a file of keys, one a line */
    long code_valid_days;
    long password_min_length;           /* characters */
    long public_port;                   /* of the addresses in mails */
    char smtp_url[FB_SETTING_TEXT_MAX]; /* "-": the district gives no relay */
    char smtp_from[FB_SETTING_TEXT_MAX];
    char smtp_user[FB_SETTING_TEXT_MAX];          /* "-": without signing in */
    char smtp_password_file[FB_SETTING_TEXT_MAX]; /* "-": none */
    char smtp_ca_file[FB_SETTING_TEXT_MAX];       /* "-": the authorities that the system trusts */
    long smtp_timeout_ms;
    long reset_link_ttl_s;
    char directory_key[FB_SETTING_TEXT_MAX]; /* "-": documents are not signed */
    long directory_publish_interval_ms;
    long directory_snapshot_interval_s;
    long directory_deltas_keep;
    long directory_deltas_keep_s;
    char redis[FB_SETTING_TEXT_MAX];               /* unix:PATH or ADDRESS:PORT; "-": none */
    char redis_user[FB_SETTING_TEXT_MAX];          /* "-": the default one */
    char redis_password_file[FB_SETTING_TEXT_MAX]; /* "-": none */
    long redis_timeout_ms;
    long access_interval_ms;
    long access_completion_percent; /* of a video; 0: never */
    long access_prefetch_s;
    long purges_a_minute_max; /* of a tenant */
    long purges_stream_max;   /* in Redis */
    long purges_keep_days;
    char warm_edges[FB_SETTING_TEXT_MAX];   /* https://HOST:PORT, parted by spaces; "-": none */
    char warm_ca_file[FB_SETTING_TEXT_MAX]; /* "-": the system's */
    long warm_rate;                         /* addresses a second */
    long warm_connections;
    char file[FB_SETTING_TEXT_MAX]; /* that it was read from, set by main(); no setting */
} fb_settings;

/* Fills *s with the defaults, then with the file. false: a sentence with file and line has been written to `err`. */
bool fb_settings_load(fb_settings *s, const char *path, FILE *err) __attribute__((warn_unused_result));

/* Writes the table as "key = default  # sentence (bounds)" lines, for documentation. */
void fb_settings_print(FILE *out);

#endif

/* `firstbell [-c FILE] COMMAND …`: finds the command in one table, reads the settings, calls it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/server/commands.h"

#define FB_VERSION      "0.1.0"
#define FB_DEFAULT_CONF "/etc/firstbell/firstbell.conf"
#define WRONG_USAGE     2
#define WORDS_MAX       3

typedef struct {
    const char *words[WORDS_MAX]; /* NULL behind the last */
    int (*run)(const fb_settings *s, int argc, char **argv);
    bool without_settings;
    const char *arguments;
    const char *sentence;
} command;

static const command commands[] = {
    {{"api", NULL}, fb_cmd_api, false, "", "answers requests: a master and its workers"},
    {{"jobs", NULL},
     fb_cmd_jobs,
     false,
     "[--once]",
     "works through the queue, publishes the directory, sends purges, reads access events, follows the calendars; with --once until nothing is due"},
    {{"migrate", NULL}, fb_cmd_migrate, false, "", "brings the database to the newest schema"},
    {{"tenant", "add"},
     fb_cmd_tenant_add,
     false,
     "NAME --title TITLE --host HOST [--host HOST…] [--locale LOCALE]",
     "adds a district, or updates its title, locale and hosts"},
    {{"tenant", "list"}, fb_cmd_tenant_list, false, "", "shows the districts and their hosts"},
    {{"tenant", "set"},
     fb_cmd_tenant_set,
     false,
     "NAME [--status active|read-only|exam|suspended] [--title TITLE] [--locale LOCALE] [--upstream POOL] [--cluster NAME] [--region NAME]"
     " [--time-zone ZONE] [--notice TEXT] [--flag WORD…] [--no-flag WORD…] [--limit WORD=NUMBER…]",
     "changes what is said of a district, and nothing else; - takes a value away"},
    {{"tenant", "host", "add"},
     fb_cmd_tenant_host_add,
     false,
     "--tenant NAME HOST",
     "lets a district answer to one more host, or to all below *.HOST"},
    {{"tenant", "host", "remove"}, fb_cmd_tenant_host_remove, false, "--tenant NAME HOST", "takes a host away from a district"},
    {{"tenant", "host", "move"}, fb_cmd_tenant_host_move, false, "--tenant NAME --to OTHER HOST", "gives a district's host to another one"},
    {{"tenant", "key", "add"},
     fb_cmd_tenant_key_add,
     false,
     "--tenant NAME --use WORD --alg WORD --file FILE [--from TIME] [--until TIME] KID",
     "gives the edges a key of a district, or replaces it"},
    {{"tenant", "key", "list"}, fb_cmd_tenant_key_list, false, "--tenant NAME", "shows the keys of a district and when each counts"},
    {{"tenant", "key", "end"}, fb_cmd_tenant_key_end, false, "--tenant NAME --use WORD [--at TIME] KID", "lets a key count no longer"},
    {{"tenant", "sign-out"}, fb_cmd_tenant_sign_out, false, "NAME", "ends all sessions of a district, also where only the edge is asked"},
    {{"pool", "set"},
     fb_cmd_pool_set,
     false,
     "NAME --server ADDRESS[,weight=N][,state=up|drain|down]…",
     "says which servers a pool has; those not named leave it"},
    {{"pool", "list"}, fb_cmd_pool_list, false, "", "shows the pools and their servers"},
    {{"pool", "remove"}, fb_cmd_pool_remove, false, "NAME", "removes a pool on which no district is placed"},
    {{"directory", "key"}, fb_cmd_directory_key, false, "", "prints the public key with which edges verify the directory"},
    {{"directory", "publish"}, fb_cmd_directory_publish, false, "", "has a snapshot of the directory published now"},
    {{"directory", "show"}, fb_cmd_directory_show, false, "[--version]", "shows where the published directory stands"},
    {{"purge", NULL},
     fb_cmd_purge,
     false,
     "--tenant NAME (--url URL | --prefix URL | --tag TAG | --all) [--hard]",
     "has the edges take stored answers of a district back: stale from now on, or with --hard gone"},
    {{"warm", NULL},
     fb_cmd_warm,
     false,
     "--tenant NAME (--urls FILE|- | --courses N) [--edge URL] [--host NAME] [--ca-file FILE] [--rate N] [--connections N] [--for SECONDS] [--at "
     "TIME]",
     "has an edge keep, before the bell, what a district will ask for: a list of addresses, or the files of the courses that most will open"},
    {{"calendar", "import"},
     fb_cmd_calendar_import,
     false,
     "--tenant NAME (FILE.ics | --from-roster)",
     "takes bells, exams and deadlines into a district's calendar: a file of iCalendar, or the last days of the roster's academic sessions"},
    {{"calendar", "show"},
     fb_cmd_calendar_show,
     false,
     "--tenant NAME [--from DAY] [--to DAY]",
     "shows what comes and what it does to limits, in the district's time zone"},
    {{"calendar", "set"},
     fb_cmd_calendar_set,
     false,
     "--tenant NAME bell|exam|deadline [--scale PERCENT] [--submissions PERCENT] [--before MINUTES] [--after MINUTES] [--warm-before MINUTES]"
     " [--courses N]",
     "says what a kind of event does to a district's limits, from when until when"},
    {{"calendar", "remove"},
     fb_cmd_calendar_remove,
     false,
     "--tenant NAME (--uid UID | --all)",
     "takes an event, or all, out of a district's calendar"},
    {{"calendar", "extend"},
     fb_cmd_calendar_extend,
     false,
     "",
     "lays events that go on without an end out further; `firstbell jobs` does it by itself"},
    {{"limits", "explain"},
     fb_cmd_limits_explain,
     false,
     "--edge URL… TENANT SUBJECT",
     "asks edges how it stands with somebody and his district: what is left of each limit, and how often it refused"},
    {{"access", "show"}, fb_cmd_access_show, false, "--tenant NAME", "shows how far a district's access events were read, and what became of them"},
    {{"tenant", "oidc", "add"},
     fb_cmd_oidc_add,
     false,
     "--tenant NAME --title TITLE --issuer URL --client-id ID [--secret-file FILE] [--auth basic|post|none] --link-by email|username|sourced-id"
     " [--claim CLAIM] [--scopes SCOPES] [--require CLAIM=VALUE]",
     "adds an identity provider (OpenID Connect) to a district, or updates it; prints what to register there"},
    {{"tenant", "oidc", "list"}, fb_cmd_oidc_list, false, "--tenant NAME", "shows the identity providers of a district"},
    {{"tenant", "oidc", "remove"},
     fb_cmd_oidc_remove,
     false,
     "--tenant NAME ID",
     "removes an identity provider with its links to people and its secret"},
    {{"tenant", "oidc", "unlink"},
     fb_cmd_oidc_unlink,
     false,
     "--tenant NAME USERNAME",
     "forgets which account elsewhere belongs to a person, and signs the person out"},
    {{"roster", "import"},
     fb_cmd_roster_import,
     false,
     "--tenant NAME [--strict] [--allow-mass-change] FILE.zip",
     "takes a OneRoster 1.1 CSV zip, whole or not at all"},
    {{"user", "add"},
     fb_cmd_user_add,
     false,
     "--tenant NAME --username USERNAME --role ROLE --given NAME --family NAME",
     "adds a person who is in no roster"},
    {{"user", "passwd"},
     fb_cmd_user_passwd,
     false,
     "--tenant NAME USERNAME [--sourced-id ID] [--password-file FILE]",
     "sets a password, read from the file or from standard input"},
    {{"user", "code"}, fb_cmd_user_code, false, "--tenant NAME USERNAME [--sourced-id ID]", "prints a one-time code for a person without a password"},
    {{"user", "reset"},
     fb_cmd_user_reset,
     false,
     "--tenant NAME USERNAME [--sourced-id ID]",
     "makes a password void, ends all sessions, prints a one-time code"},
    {{"course", "import"}, fb_cmd_course_import, false, "--tenant NAME --course SOURCED_ID DIR", "replaces the content of a course"},
    {{"keys", "rotate"}, fb_cmd_keys_rotate, false, "", "makes the next key sign sessions; the one before counts until its last session ends"},
    {{"keys", "public"}, fb_cmd_keys_public, false, "", "prints the public halves, with which edges verify sessions (`bell_session_keys`)"},
    {{"keys", "list"}, fb_cmd_keys_list, false, "", "shows the keys of sessions and until when each counts"},
    {{"edge-key", "new"},
     fb_cmd_edge_key_new,
     false,
     "NAME [--tenant NAME…]",
     "makes a key for an edge, for all districts or for those that are named"},
    {{"sign-key", "new"}, fb_cmd_sign_key_new, true, "FILE", "makes a key ID.key for `firstbell sign`, which edges share"},
    {{"sign", NULL},
     fb_cmd_sign,
     false,
     "--key FILE [--tenant NAME] [--subject TEXT] [--data TEXT] [--prefix PATH] [--lifetime SECONDS] [--from TIME] [--one-host] URL",
     "prints the URL, or the path, with a token that allows what is below the prefix"},
    {{"routes", NULL}, fb_cmd_routes, true, "", "prints every route and who may use it, as JSON"},
    {{"settings", NULL}, fb_cmd_settings, true, "", "prints every setting with its default and its bounds"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_words(FILE *out, const command *c) {
    for (int i = 0; i < WORDS_MAX && c->words[i] != NULL; i++) {
        fprintf(out, "%s%s", i > 0 ? " " : "", c->words[i]);
    }
    fprintf(out, "%s%s", *c->arguments ? " " : "", c->arguments);
}

static void print_help(FILE *out) {
    fputs("Usage: firstbell [-c FILE] COMMAND …\n"
          "\n"
          "  -c FILE      the settings (default: $FIRSTBELL_CONF, else " FB_DEFAULT_CONF ")\n"
          "  -h, --help   this text\n"
          "  --version    the version\n"
          "\n"
          "Commands:\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++) {
        const command *c = &commands[i];
        fputs("  ", out);
        print_words(out, c);
        fprintf(out, "\n        %s\n", c->sentence);
    }
    fputs("\nExit codes: 0 done, 1 failed, 2 wrong usage.\n", out);
}

int fb_cmd_settings(const fb_settings *s, int argc, char **argv) {
    (void)s;
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "firstbell: settings takes no arguments\n");
        return WRONG_USAGE;
    }
    fb_settings_print(stdout);
    return 0;
}

static bool is_help(const char *word) {
    return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

/* How many words the command has when argv begins with them; otherwise 0. */
static int words_of(const command *c, int argc, char **argv) {
    int n = 0;
    for (; n < WORDS_MAX && c->words[n] != NULL; n++) {
        if (n == argc || strcmp(argv[n], c->words[n]) != 0) {
            return 0;
        }
    }
    return n;
}

static const command *find_command(int argc, char **argv, int *words) {
    for (size_t i = 0; i < COMMANDS; i++) {
        *words = words_of(&commands[i], argc, argv);
        if (*words > 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int wrong_command(int argc, char **argv) {
    if (argc == 0) {
        print_help(stderr);
        return WRONG_USAGE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[0], commands[i].words[0]) == 0) {
            fprintf(stderr, "firstbell: %s has no command \"%s\"; `firstbell help` lists them\n", argv[0], argc > 1 ? argv[1] : "");
            return WRONG_USAGE;
        }
    }
    fprintf(stderr, "firstbell: there is no command \"%s\"; `firstbell help` lists them\n", argv[0]);
    return WRONG_USAGE;
}

static void print_usage(const command *c, FILE *out) {
    fputs("Usage: firstbell [-c FILE] ", out);
    print_words(out, c);
    fputs("\n", out);
}

static int run_command(const command *c, const char *path, int argc, char **argv) {
    static fb_settings settings;
    if (argc > 1 && is_help(argv[1])) {
        print_usage(c, stdout);
        return 0;
    }
    if (!c->without_settings && !fb_settings_load(&settings, path, stderr)) {
        return 1;
    }
    snprintf(settings.file, sizeof settings.file, "%s", path);
    int code = c->run(&settings, argc, argv);
    if (code == WRONG_USAGE) {
        print_usage(c, stderr);
    }
    return code;
}

/* Standard output can be a full disk: what was printed must have arrived before the command counts as done. */
static int finish(int code) {
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "firstbell: standard output cannot be written\n");
        return code ? code : 1;
    }
    return code;
}

/* The options before the command. 0: go on with argv + *used; otherwise 1 + the exit code. */
static int global_options(int argc, char **argv, const char **path, int *used) {
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (is_help(argv[i])) {
            print_help(stdout);
            return 1;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("firstbell " FB_VERSION);
            return 1;
        }
        if (strcmp(argv[i], "-c") != 0) {
            fprintf(stderr, "firstbell: there is no option \"%s\"; `firstbell help` shows what there is\n", argv[i]);
            return 1 + WRONG_USAGE;
        }
        if (++i == argc) {
            fprintf(stderr, "firstbell: the name of a settings file must follow -c\n");
            return 1 + WRONG_USAGE;
        }
        *path = argv[i];
    }
    *used = i;
    return 0;
}

int main(int argc, char **argv) {
    const char *path = getenv("FIRSTBELL_CONF");
    path = path && *path ? path : FB_DEFAULT_CONF;
    int used = 0;
    int done = global_options(argc, argv, &path, &used);
    if (done) {
        return finish(done - 1);
    }
    argc -= used;
    argv += used;
    if (argc > 0 && strcmp(argv[0], "help") == 0) {
        print_help(stdout);
        return finish(0);
    }
    int words = 0;
    const command *c = argc > 0 ? find_command(argc, argv, &words) : NULL;
    return finish(c ? run_command(c, path, argc - words + 1, argv + words - 1) : wrong_command(argc, argv));
}

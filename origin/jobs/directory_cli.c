/* `firstbell directory key|publish|show`: the key that signs, a snapshot on demand, where the published directory stands. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "origin/db/pg.h"
#include "origin/jobs/directory_file.h"
#include "origin/jobs/directory_round.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

int fb_cmd_directory_show(const fb_settings *s, int argc, char **argv) {
    fb_option options[] = {{"version", NULL, 0, false, 0}};
    if (!fb_options_parse(argc, argv, options, 1, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "directory show");
    PGresult *r = c ? fb_pg_exec(c,
                                 "SELECT s.version, s.oldest_from, s.waiting, (SELECT count(*) FROM tenants), (SELECT count(*) FROM tenant_hosts),"
                                 " (SELECT count(*) FROM pools) FROM directory_standing() s",
                                 0, NULL)
                    : NULL;
    bool ok = r && PQntuples(r) == 1;
    if (ok && options[0].seen) {
        puts(PQgetvalue(r, 0, 0));
    } else if (ok) {
        printf("version\t%s\ndeltas from\t%s\nchanges waiting\t%s\ntenants\t%s\nhosts\t%s\npools\t%s\nfile version\t%llu\n", PQgetvalue(r, 0, 0),
               PQgetisnull(r, 0, 1) ? "-" : PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2), PQgetvalue(r, 0, 3), PQgetvalue(r, 0, 4), PQgetvalue(r, 0, 5),
               (unsigned long long)fb_directory_file_version(s->directory_file));
    }
    PQclear(r);
    PQfinish(c);
    return ok ? 0 : 1;
}

/* The public half of a PEM file that was found to hold an Ed25519 key. */
static bool print_public(const char *path) {
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, "") : NULL;
    bool ok = key && PEM_write_PUBKEY(stdout, key) == 1;
    if (!ok) {
        fprintf(stderr, "firstbell: directory_key %s: expected a private key; a public one cannot sign\n", path);
    }
    EVP_PKEY_free(key);
    if (file) {
        fclose(file);
    }
    return ok;
}

int fb_cmd_directory_key(const fb_settings *s, int argc, char **argv) {
    char err[FB_DIRECTORY_ERROR_BYTES];
    bell_directory_key *key;
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    if (!fb_directory_key_of(s, &key, err, sizeof err)) {
        fprintf(stderr, "firstbell: %s\n", err);
        return 1;
    }
    if (!key) {
        fprintf(stderr, "firstbell: directory_key is -: documents are not signed\n");
        return 1;
    }
    bell_directory_key_free(key);
    return print_public(s->directory_key) ? 0 : 1;
}

int fb_cmd_directory_publish(const fb_settings *s, int argc, char **argv) {
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "directory publish");
    bool ok = c && fb_pg_do(c, "SELECT directory_ask()", 0, NULL);
    PQfinish(c);
    if (ok) {
        puts("`firstbell jobs` will publish a snapshot");
    }
    return ok ? 0 : 1;
}

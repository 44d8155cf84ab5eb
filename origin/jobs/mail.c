#include "origin/jobs/mail.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS_MAX_BYTES  254
#define MAIL_MAX_BYTES     (64 * 1024)
#define WORD_BYTES         42 /* of text in one encoded word, which may have 75 characters (RFC 2047, section 2) */
#define LINE_BYTES         57 /* of text in one line of base64 */
#define PASSWORD_MAX_BYTES 256
#define AWAY_S             30

bool fb_mail_address_is_plain(bell_str a) {
    size_t ats = 0;
    for (size_t i = 0; i < a.len; i++) {
        unsigned char c = (unsigned char)a.p[i];
        ats += c == '@';
        if (c <= 0x20 || c >= 0x7f || strchr("<>()[],;:\\\"", c) != NULL) {
            return false;
        }
    }
    return a.len >= 3 && a.len <= ADDRESS_MAX_BYTES && ats == 1 && a.p[0] != '@' && a.p[a.len - 1] != '@' && a.p[0] != '-';
}

static void add_base64(bell_buf *out, bell_str s) {
    if (bell_buf_reserve(out, s.len * 2 + 8)) {
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->p + out->len, (const unsigned char *)s.p, (int)s.len);
    }
}

/* As encoded words, cut between characters; nothing of it reaches the header as it is. */
static void add_words(bell_buf *out, bell_str s) {
    bool first = true;
    while (s.len > 0) {
        size_t n = 0;
        while (n < s.len) {
            int step = bell_str_utf8_step(s.p + n, s.len - n);
            size_t width = (size_t)(step < 0 ? -step : step);
            if (n + width > WORD_BYTES) {
                break;
            }
            n += width;
        }
        bell_buf_add_z(out, first ? "=?utf-8?B?" : "\r\n =?utf-8?B?");
        add_base64(out, (bell_str){s.p, n});
        bell_buf_add_z(out, "?=");
        s = (bell_str){s.p + n, s.len - n};
        first = false;
    }
}

static void add_date(bell_buf *out, int64_t date_s) {
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)date_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    bell_buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
                    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void add_from(bell_buf *out, const fb_mail *m) {
    bell_buf_add_z(out, "From: ");
    if (m->from_name.len > 0) {
        add_words(out, m->from_name);
        bell_buf_add_z(out, "\r\n ");
    }
    bell_buf_printf(out, "<%s>\r\n", m->from);
}

/* Line ends of text are CRLF (RFC 2046, section 4.1.1). */
static void add_text(bell_buf *out, bell_str text) {
    bell_buf lines;
    bell_buf_init(&lines, MAIL_MAX_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\n') {
            bell_buf_add_char(&lines, '\r');
        }
        bell_buf_add_char(&lines, text.p[i]);
    }
    out->failed = out->failed || lines.failed;
    for (size_t at = 0; at < lines.len; at += LINE_BYTES) {
        size_t n = lines.len - at < LINE_BYTES ? lines.len - at : LINE_BYTES;
        add_base64(out, (bell_str){lines.p + at, n});
        bell_buf_add_z(out, "\r\n");
    }
    if (lines.p != NULL) {
        explicit_bzero(lines.p, lines.len);
    }
    bell_buf_fini(&lines);
}

void fb_mail_compose(bell_buf *out, const fb_mail *m) {
    add_date(out, m->date_s);
    add_from(out, m);
    bell_buf_printf(out, "To: <%s>\r\nSubject: %s\r\nMessage-ID: <%s@%s>\r\n", m->to, m->subject, m->id, m->domain);
    bell_buf_add_z(out, "Auto-Submitted: auto-generated\r\n" /* RFC 3834: no out-of-office notes */
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: base64\r\n\r\n");
    add_text(out, m->text);
}

/* ---- the relay ---- */

static int64_t monotonic_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec;
}

static size_t give_bytes(char *out, size_t size, size_t n, void *arg) {
    bell_str *rest = arg;
    size_t take = size * n < rest->len ? size * n : rest->len;
    memcpy(out, rest->p, take);
    *rest = (bell_str){rest->p + take, rest->len - take};
    return take;
}

static bool read_password(const char *path, char out[PASSWORD_MAX_BYTES + 1]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, PASSWORD_MAX_BYTES);
    if (fd >= 0) {
        close(fd);
    }
    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\r\n")] = 0;
    return n > 0;
}

static bool sign_in(CURL *c, const fb_settings *s) {
    char password[PASSWORD_MAX_BYTES + 1];
    if (strcmp(s->smtp_user, "-") == 0) {
        return true;
    }
    bool ok = read_password(s->smtp_password_file, password);
    if (ok) {
        curl_easy_setopt(c, CURLOPT_USERNAME, s->smtp_user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, password);
    }
    explicit_bzero(password, sizeof password);
    return ok;
}

/* smtp+plain is ours: libcurl knows smtp, with or without STARTTLS. What stands in the path is said behind EHLO. */
static void set_relay(CURL *c, const fb_settings *s, const char *domain) {
    static const char plain[] = "smtp+plain://";
    char url[FB_SETTING_TEXT_MAX + 300];
    bool without_tls = strncmp(s->smtp_url, plain, sizeof plain - 1) == 0;
    snprintf(url, sizeof url, "%s%s/%s", without_tls ? "smtp://" : "", s->smtp_url + (without_tls ? sizeof plain - 1 : 0), domain);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(c, CURLOPT_USE_SSL, (long)(without_tls ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (strcmp(s->smtp_ca_file, "-") != 0) {
        curl_easy_setopt(c, CURLOPT_CAINFO, s->smtp_ca_file);
        curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(c, CURLOPT_PROXY, ""); /* not what the environment says about the web */
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, s->smtp_timeout_ms);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, s->smtp_timeout_ms);
}

static fb_mail_outcome judge(CURL *c, CURLcode code, int64_t *away_until_s, char *why, size_t why_len) {
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK) {
        return FB_MAIL_SENT;
    }
    snprintf(why, why_len, "%s (%d), the relay's last answer was %ld", curl_easy_strerror(code), (int)code, status);
    /* Refused for good is what the relay says of this mail; a refusal of our user name or of the connection may be mended by an operator. */
    if ((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_WEIRD_SERVER_REPLY) && status >= 550 && status <= 559) {
        return FB_MAIL_NEVER;
    }
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_OPERATION_TIMEDOUT) {
        *away_until_s = monotonic_s() + AWAY_S;
    }
    return FB_MAIL_LATER;
}

static fb_mail_outcome hand_over(CURL *c, const fb_settings *s, const fb_mail *m, bell_str content, char *why, size_t why_len) {
    static int64_t away_until_s;
    char from[FB_SETTING_TEXT_MAX + 2];
    char to[ADDRESS_MAX_BYTES + 3];

    if (monotonic_s() < away_until_s) {
        snprintf(why, why_len, "the relay could not be reached a moment ago");
        return FB_MAIL_LATER;
    }
    if (!sign_in(c, s)) {
        snprintf(why, why_len, "smtp_password_file %s cannot be read", s->smtp_password_file);
        return FB_MAIL_LATER;
    }
    snprintf(from, sizeof from, "<%s>", m->from);
    snprintf(to, sizeof to, "<%s>", m->to);
    struct curl_slist *recipients = curl_slist_append(NULL, to);
    set_relay(c, s, m->domain);
    curl_easy_setopt(c, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(c, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, give_bytes);
    curl_easy_setopt(c, CURLOPT_READDATA, &content);
    CURLcode code = recipients != NULL ? curl_easy_perform(c) : CURLE_OUT_OF_MEMORY;
    curl_slist_free_all(recipients);
    return judge(c, code, &away_until_s, why, why_len);
}

fb_mail_outcome fb_mail_send(const fb_settings *s, const fb_mail *m, char *why, size_t why_len) {
    fb_mail_outcome outcome = FB_MAIL_LATER;
    bell_buf content;
    bell_buf_init(&content, MAIL_MAX_BYTES * 2);
    fb_mail_compose(&content, m);
    CURL *c = content.failed ? NULL : curl_easy_init();
    snprintf(why, why_len, "no memory");
    if (c != NULL) {
        outcome = hand_over(c, s, m, bell_buf_str(&content), why, why_len);
    }
    curl_easy_cleanup(c);
    if (content.p != NULL) {
        explicit_bzero(content.p, content.len);
    }
    bell_buf_fini(&content);
    return outcome;
}

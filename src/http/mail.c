#include "http/mail.h"

#include <curl/curl.h>

enum { CONNECT_TIMEOUT_MS = 10'000 };

struct upload {
    struct str rest;
    struct http_mail_reply *reply;
    const atomic_bool *is_stopped;
};

static size_t give(char *room, size_t size, size_t count, void *owner)
{
    struct upload *upload = owner;
    struct str piece = str_first(upload->rest, size * count);
    if (piece.len > 0)
        memcpy(room, piece.ptr, piece.len);
    upload->rest = str_from(upload->rest, piece.len);
    return piece.len;
}

/* Each line that the server says. */
static size_t hear(char *line, size_t size, size_t count, void *owner)
{
    const struct upload *upload = owner;
    struct str text = str_trim(str_of(line, size * count));
    if (!str_is_utf8(text))
        text = STR("a reply that is no text");
    text = str_first_whole(text, sizeof upload->reply->text - 1);
    snprintf(upload->reply->text, sizeof upload->reply->text, "%.*s", STR_FMT(text));
    if (text.len > 0 && (text.ptr[0] == '4' || text.ptr[0] == '5'))
        memcpy(upload->reply->refusal, upload->reply->text, sizeof upload->reply->text);
    return size * count;
}

static int look(void *owner, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                curl_off_t up)
{
    const struct upload *upload = owner;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return atomic_load(upload->is_stopped) ? 1 : 0;
}

static void set_security(CURL *curl, const struct http_mail *mail)
{
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void)curl_easy_setopt(curl, CURLOPT_USE_SSL,
                           (long)(mail->is_plain_allowed ? CURLUSESSL_TRY : CURLUSESSL_ALL));
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (mail->ca_file[0]) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, mail->ca_file);
        (void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    if (mail->user[0]) {
        (void)curl_easy_setopt(curl, CURLOPT_USERNAME, mail->user);
        (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, mail->password);
    }
}

static void set_up(CURL *curl, const struct http_mail *mail, struct upload *upload,
                   const struct curl_slist *recipients)
{
    (void)curl_easy_setopt(curl, CURLOPT_URL, mail->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, mail->from);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)upload->rest.len);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, upload);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, hear);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, upload);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, upload);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)mail->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)min_of(mail->timeout_ms, (int64_t)CONNECT_TIMEOUT_MS));
}

static bool tell_failure(CURLcode code, const char *details, struct err *e)
{
    enum err_code told = code == CURLE_OPERATION_TIMEDOUT    ? ERR_TIMEOUT
                         : code == CURLE_ABORTED_BY_CALLBACK ? ERR_CANCELLED
                                                             : ERR_UNAVAILABLE;
    return err_set(e, told, "%.150s", details[0] ? details : curl_easy_strerror(code));
}

bool http_mail_send(const struct http_mail *mail, struct http_mail_reply *ret_reply, struct err *e)
{
    char details[CURL_ERROR_SIZE] = "";
    struct upload upload = { .rest = mail->message,
                             .reply = ret_reply,
                             .is_stopped = mail->is_stopped };
    struct curl_slist *recipients = NULL;
    long status = 0;
    *ret_reply = (struct http_mail_reply){ 0 };
    CURL *curl = curl_easy_init();
    if (!curl)
        return err_set(e, ERR_UNAVAILABLE, "libcurl cannot begin");
    for (size_t i = 0; i < mail->recipient_count; i++)
        recipients = curl_slist_append(recipients, mail->recipients[i]);
    set_up(curl, mail, &upload, recipients);
    set_security(curl, mail);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details);
    CURLcode code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    ret_reply->status = (int)status;
    curl_easy_cleanup(curl);
    curl_slist_free_all(recipients);
    return code == CURLE_OK || tell_failure(code, details, e);
}

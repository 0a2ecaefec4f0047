#include "runner/mail_text.h"

#include <time.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"

enum {
    LINE_MAX_CHARS = 76, /* of a head's line, and of base64 */
    WORD_BYTES = 45,     /* of an encoded word: 60 characters of base64 and 12 around them */
    LINE_BYTES = 57,     /* make 76 characters of base64 */
};

#define CRLF "\r\n"

/* ── words ── */

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

/* A line of its own for each word; the first one shares that of the field's name, if it fits. */
static void put_encoded(struct buf *out, struct str text, size_t column)
{
    enum { AROUND = 12, WORTH_BYTES = 9 };
    size_t room = column + AROUND < LINE_MAX_CHARS ? (LINE_MAX_CHARS - AROUND - column) / 4 * 3 : 0;
    bool is_first = room >= WORTH_BYTES;
    if (!is_first && text.len > 0)
        buf_put_c(out, CRLF " ");
    while (text.len > 0) {
        char word[BASE64_LEN(WORD_BYTES) + 1];
        size_t bytes_max = is_first ? min_of(room, (size_t)WORD_BYTES) : WORD_BYTES;
        struct str piece = str_first_whole(text, bytes_max);
        is_first = false;
        base64_encode(piece, word);
        buf_printf(out, "=?UTF-8?B?%s?=", word);
        text = str_from(text, piece.len);
        if (text.len > 0)
            buf_put_c(out, CRLF " ");
    }
}

/* Free text: as it is where it fits the line and cannot be taken for an encoded word. */
static void put_text(struct buf *out, struct str text, size_t column)
{
    bool is_plain = is_ascii(text) && column + text.len <= LINE_MAX_CHARS &&
                    str_find(text, STR("=?")) < 0 && str_trim(text).len == text.len;
    if (is_plain)
        buf_put_str(out, text);
    else
        put_encoded(out, text, column);
}

/* Before an address. */
static void put_name(struct buf *out, struct str name, size_t column)
{
    if (!is_ascii(name) || name.len > LINE_MAX_CHARS - 10 || str_find(name, STR("=?")) >= 0) {
        put_encoded(out, name, column);
        return;
    }
    buf_put_char(out, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"' || name.ptr[i] == '\\')
            buf_put_char(out, '\\');
        buf_put_char(out, name.ptr[i]);
    }
    buf_put_char(out, '"');
}

/* ── the head ── */

static void put_address(struct buf *out, struct str address, struct str name, size_t column)
{
    if (name.len > 0) {
        put_name(out, name, column);
        buf_put_c(out, CRLF " ");
    }
    buf_printf(out, "<%.*s>", STR_FMT(address));
}

static void put_addresses(struct buf *out, const char *field,
                          const struct payload_email_address *addresses, size_t count)
{
    if (count == 0)
        return;
    buf_printf(out, "%s: ", field);
    for (size_t i = 0; i < count; i++) {
        put_address(out, addresses[i].address, addresses[i].name, i == 0 ? strlen(field) + 2 : 1);
        buf_put_c(out, i + 1 < count ? "," CRLF " " : CRLF);
    }
}

static void put_field(struct buf *out, struct str field, struct str text)
{
    buf_printf(out, "%.*s: ", STR_FMT(field));
    put_text(out, text, field.len + 2);
    buf_put_c(out, CRLF);
}

static void put_date(struct buf *out, int64_t now_us)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(now_us / CLOCK_S);
    struct tm t;
    (void)gmtime_r(&seconds, &t);
    buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000" CRLF, days[t.tm_wday], t.tm_mday,
               months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* ── the body ── */

/* Text is encoded with the line ends of mail. */
static void put_part(struct buf *out, const char *type, struct str text)
{
    struct buf lines;
    buf_init(&lines, 0);
    for (size_t i = 0; i < text.len; i++) {
        bool is_bare = text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r');
        if (is_bare)
            buf_put_char(&lines, '\r');
        buf_put_char(&lines, text.ptr[i]);
    }
    buf_printf(out,
               "Content-Type: %s; charset=utf-8" CRLF "Content-Transfer-Encoding: base64" CRLF CRLF,
               type);
    for (struct str rest = buf_str(&lines); rest.len > 0; rest = str_from(rest, LINE_BYTES)) {
        char line[BASE64_LEN(LINE_BYTES) + 1];
        base64_encode(str_first(rest, LINE_BYTES), line);
        buf_printf(out, "%s" CRLF, line);
    }
    buf_clear(&lines);
}

/* No line of base64 begins like the boundary. */
static void put_alternatives(struct buf *out, const struct payload_email_input *mail,
                             struct str message_id)
{
    char digest[SHA256_HEX_LEN + 1];
    sha256_hex(message_id, digest);
    buf_printf(out, "Content-Type: multipart/alternative;" CRLF " boundary=\"=_%.32s\"" CRLF CRLF,
               digest);
    buf_printf(out, "--=_%.32s" CRLF, digest);
    put_part(out, "text/plain", mail->text);
    buf_printf(out, CRLF "--=_%.32s" CRLF, digest);
    put_part(out, "text/html", mail->html);
    buf_printf(out, CRLF "--=_%.32s--" CRLF, digest);
}

void mail_text_write(struct buf *out, const struct mail_from *from,
                     const struct payload_email_input *mail, struct str message_id, int64_t now_us)
{
    put_date(out, now_us);
    buf_put_c(out, "From: ");
    put_address(out, from->address, from->name, strlen("From: "));
    buf_put_c(out, CRLF);
    put_addresses(out, "To", mail->to, mail->to_count);
    put_addresses(out, "Cc", mail->cc, mail->cc_count);
    put_addresses(out, "Reply-To", mail->reply_to, mail->reply_to_count);
    put_field(out, STR("Subject"), mail->subject);
    buf_printf(out, "Message-ID: <%.*s>" CRLF, STR_FMT(message_id));
    buf_put_c(out, "Auto-Submitted: auto-generated" CRLF); /* RFC 3834: no absence notes, please */
    for (size_t i = 0; i < mail->header_count; i++)
        put_field(out, mail->header_names[i], mail->header_values[i]);
    buf_put_c(out, "MIME-Version: 1.0" CRLF);
    if (mail->text.len > 0 && mail->html.len > 0)
        put_alternatives(out, mail, message_id);
    else
        put_part(out, mail->html.len > 0 ? "text/html" : "text/plain",
                 mail->html.len > 0 ? mail->html : mail->text);
}

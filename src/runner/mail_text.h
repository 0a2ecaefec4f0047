/*
 * mail_text: a message as mail servers take it. Pure.
 * Source: RFC 5322 (the form), RFC 2045 and 2046 (MIME), RFC 2047 (words that are not ASCII).
 */
#pragma once
#include "base/buf.h"
#include "payload/inputs.h"

struct mail_from {
    struct str address, name; /* name: empty where there is none */
};

/* `message_id` without its brackets, `now_us`: wall. Lines end in CRLF; Bcc is left out. */
void mail_text_write(struct buf *out, const struct mail_from *from,
                     const struct payload_email_input *mail, struct str message_id, int64_t now_us);

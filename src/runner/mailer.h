/* mailer: by which server, and from whom, email tasks are sent. */
#pragma once
#include "base/arena.h"
#include "conf/conf.h"
#include "runner/mail_text.h"

struct mailer {
    struct arena *arena;
    const char *url, *ca_file, *user, *password; /* "": none */
    bool is_plain_allowed;
    struct mail_from from;
};

/* No smtp-url: NULL. Errors: INVALID, naming the setting. */
[[nodiscard]] bool mailer_create(const struct conf *conf, struct mailer **ret_mailer,
                                 struct err *e);
void mailer_destroy(struct mailer *mailer); /* accepts NULL */

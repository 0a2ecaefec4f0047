#include "runner/mailer.h"

#include "base/mem.h"
#include "payload/payload.h"

/* "ada@example.org", or "Ada <ada@example.org>" */
static bool read_from(struct mailer *mailer, struct str text, struct err *e)
{
    struct str name = STR(""), address = text;
    if (text.len > 0 && text.ptr[text.len - 1] == '>' && str_cut(text, '<', &name, &address)) {
        address = str_first(address, address.len - 1);
        name = str_trim(name);
    }
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < ' ' || name.ptr[i] == 0x7f)
            return err_set(e, ERR_INVALID, "smtp-from: holds a line end or another control");
    if (!payload_is_address(address) || !str_is_utf8(name))
        return err_set(e, ERR_INVALID,
                       "smtp-from: ada@example.org or Ada <ada@example.org> expected");
    mailer->from = (struct mail_from){ .address = arena_copy(mailer->arena, address),
                                       .name = arena_copy(mailer->arena, name) };
    return true;
}

static bool read_settings(struct mailer *mailer, const struct conf *conf, struct err *e)
{
    struct arena *a = mailer->arena;
    struct str url = conf_str(conf, CONF_SMTP_URL);
    bool is_smtp = str_starts_with(url, STR("smtp://"));
    if (!is_smtp && !str_starts_with(url, STR("smtps://")))
        return err_set(e, ERR_INVALID,
                       "smtp-url: smtps://HOST[:PORT] or smtp://HOST[:PORT] "
                       "expected");
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f || url.ptr[i] == '@')
            return err_set(e, ERR_INVALID,
                           "smtp-url: byte %zu is no plain character, or names a user: smtp-user "
                           "and smtp-password are the places for that",
                           i);
    mailer->url = arena_cstr(a, url);
    mailer->ca_file = arena_cstr(a, conf_str(conf, CONF_SMTP_CA));
    mailer->user = arena_cstr(a, conf_str(conf, CONF_SMTP_USER));
    mailer->password = arena_cstr(a, conf_str(conf, CONF_SMTP_PASSWORD));
    mailer->is_plain_allowed = is_smtp && conf_bool(conf, CONF_SMTP_PLAIN);
    return read_from(mailer, conf_str(conf, CONF_SMTP_FROM), e);
}

bool mailer_create(const struct conf *conf, struct mailer **ret_mailer, struct err *e)
{
    *ret_mailer = NULL;
    if (str_is_empty(conf_str(conf, CONF_SMTP_URL)))
        return true;
    struct mailer *mailer = mem_new(struct mailer);
    mailer->arena = arena_create(0);
    if (!read_settings(mailer, conf, e)) {
        mailer_destroy(mailer);
        return false;
    }
    *ret_mailer = mailer;
    return true;
}

void mailer_destroy(struct mailer *mailer)
{
    if (!mailer)
        return;
    arena_destroy(mailer->arena);
    mem_free(mailer);
}

/* settings_wish: what an update asks for, and what that leaves. */
#include "json/json.h"
#include "worker/door.h"
#include "worker/settings_priv.h"

static const char at[] = "settings.";

/* ── reading ── */

static bool read_numbers(const struct shard *s, const struct json_value *v, struct type_wish *wish,
                         struct err *e)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        int64_t max =
            setting_numbers[i].max > 0 ? setting_numbers[i].max : settings_retention_days(s);
        wish->has_number[i] = json_get(v, str_of_c(setting_numbers[i].name)) != NULL;
        if (!door_int(v, at, setting_numbers[i].name, 1, max, &wish->to.numbers[i], e) &&
            door_is_bad(e))
            return false;
    }
    return true;
}

static bool read_rate(const struct json_value *v, enum setting_rate which, struct type_wish *wish,
                      struct err *e)
{
    const char *name = setting_rates[which];
    const struct json_value *rate = json_get(v, str_of_c(name));
    double *to = &wish->to.rates[which];
    wish->has_rate[which] = rate != NULL;
    if (!rate || rate->type == JSON_NULL)
        return true;
    if (rate->type != JSON_NUMBER || !json_to_double(rate, to))
        return err_set(e, ERR_INVALID, "%s%s: is no number", at, name);
    if (*to < settings_rate_min || *to > SETTINGS_RATE_MAX)
        return err_set(e, ERR_INVALID, "%s%s: is not within %g and %d", at, name, settings_rate_min,
                       SETTINGS_RATE_MAX);
    return true;
}

static bool read_rates(const struct json_value *v, struct type_wish *wish, struct err *e)
{
    return read_rate(v, SETTING_RATE, wish, e) && read_rate(v, SETTING_RATE_PER_KEY, wish, e);
}

static bool read_path(const struct json_value *v, struct type_wish *wish, struct err *e)
{
    wish->has_path = json_get_c(v, "key_path") != NULL;
    struct str path = STR(""), name;
    if (!door_text(v, at, "key_path", SETTINGS_PATH_MAX, &path, e))
        return !door_is_bad(e);
    wish->to.key_path = path;
    for (bool more = true; more;) {
        more = str_cut(path, '.', &name, &path);
        if (name.len == 0)
            return err_set(e, ERR_INVALID, "%skey_path: has an empty name between its dots", at);
    }
    return true;
}

static bool read_pause(const struct json_value *v, struct type_wish *wish, struct err *e)
{
    wish->has_pause = door_flag(v, at, "is_paused", &wish->to.pause.is_on, e);
    wish->has_reason = json_get_c(v, "paused_reason") != NULL;
    if (!door_is_bad(e))
        door_text(v, at, "paused_reason", SETTINGS_REASON_MAX, &wish->to.pause.reason, e);
    return !door_is_bad(e);
}

static bool is_known(struct str name)
{
    static const struct str others[] = { STR("is_paused"), STR("paused_reason"), STR("key_path") };
    for (size_t i = 0; i < countof(others); i++)
        if (str_eq(name, others[i]))
            return true;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (str_eq_c(name, setting_numbers[i].name))
            return true;
    for (size_t i = 0; i < SETTING_RATE_COUNT; i++)
        if (str_eq_c(name, setting_rates[i]))
            return true;
    return false;
}

bool type_wish_read(const struct shard *s, const struct json_value *settings,
                    struct type_wish *ret_wish, struct err *e)
{
    *ret_wish = (struct type_wish){ 0 };
    if (!settings || settings->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "settings: is no object");
    for (size_t i = 0; i < settings->member_count; i++)
        if (!is_known(settings->members[i].key))
            return err_set(e, ERR_INVALID, "%s%.*s: is no setting", at,
                           STR_FMT(str_first(settings->members[i].key, 60)));
    return read_numbers(s, settings, ret_wish, e) && read_rates(settings, ret_wish, e) &&
           read_path(settings, ret_wish, e) && read_pause(settings, ret_wish, e);
}

/* ── what it leaves ── */

static struct type_settings merge(const struct type_settings *now, const struct type_wish *wish)
{
    struct type_settings d = *now;
    d.actor = wish->to.actor;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (wish->has_number[i])
            d.numbers[i] = wish->to.numbers[i];
    for (size_t i = 0; i < SETTING_RATE_COUNT; i++)
        if (wish->has_rate[i])
            d.rates[i] = wish->to.rates[i];
    if (wish->has_path)
        d.key_path = wish->to.key_path;
    if (wish->has_pause && !wish->to.pause.is_on)
        d.pause = (struct pause){ 0 };
    if (wish->has_pause && wish->to.pause.is_on && !now->pause.is_on)
        d.pause = wish->to.pause;
    if (wish->has_reason)
        d.pause.reason = wish->to.pause.reason;
    return d;
}

/* What makes no sense alone, and what it needs. */
static const char *missing(const struct type_settings *d, const char **ret_needs)
{
    *ret_needs = "key_path";
    if (d->numbers[SETTING_MAX_RUNNING_PER_KEY] > 0 && d->key_path.len == 0)
        return setting_numbers[SETTING_MAX_RUNNING_PER_KEY].name;
    if (d->rates[SETTING_RATE_PER_KEY] > 0 && d->key_path.len == 0)
        return setting_rates[SETTING_RATE_PER_KEY];
    *ret_needs = setting_rates[SETTING_RATE];
    if (d->numbers[SETTING_BURST] > 0 && d->rates[SETTING_RATE] <= 0)
        return setting_numbers[SETTING_BURST].name;
    *ret_needs = setting_rates[SETTING_RATE_PER_KEY];
    if (d->numbers[SETTING_BURST_PER_KEY] > 0 && d->rates[SETTING_RATE_PER_KEY] <= 0)
        return setting_numbers[SETTING_BURST_PER_KEY].name;
    return NULL;
}

static bool fits(const struct type_settings *d, struct err *e)
{
    const char *needs, *name = missing(d, &needs);
    if (name)
        return err_set(e, ERR_INVALID, "%s%s: needs a %s", at, name, needs);
    if (d->pause.reason.len > 0 && !d->pause.is_on)
        return err_set(e, ERR_INVALID, "%spaused_reason: the type is not paused", at);
    return true;
}

bool type_wish_merge(const struct type_settings *now, const struct type_wish *wish,
                     struct type_settings *ret_settings, struct err *e)
{
    struct type_settings d = merge(now, wish);
    if (!fits(&d, e))
        return false;
    *ret_settings = d;
    return true;
}

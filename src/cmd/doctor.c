/* doctor: is this machine fit, is the installation well, and how to mend what is not. */
#include "cmd/doctor_priv.h"

#include "cmd/cmd.h"
#include "json/writer.h"

enum { ARENA_BYTES = 1 << 20 };

static size_t count_of(const struct doctor *d, enum doctor_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++)
        count += d->findings[i].state == state;
    return count;
}

static enum doctor_state worst_of(const struct doctor *d)
{
    return count_of(d, DOCTOR_FAILURE) > 0   ? DOCTOR_FAILURE
           : count_of(d, DOCTOR_WARNING) > 0 ? DOCTOR_WARNING
                                             : DOCTOR_OK;
}

static void put_json(struct buf *b, const struct doctor *d)
{
    struct json_writer w = json_writer_to(b);
    json_begin_object(&w);
    json_key_c(&w, "state");
    json_write_string(&w, str_of_c(doctor_state_name(worst_of(d))));
    json_key_c(&w, "checks");
    json_begin_array(&w);
    for (size_t i = 0; i < d->count; i++) {
        const struct doctor_finding *finding = &d->findings[i];
        json_begin_object(&w);
        json_key_c(&w, "check");
        json_write_string(&w, str_of_c(finding->check));
        json_key_c(&w, "state");
        json_write_string(&w, str_of_c(doctor_state_name(finding->state)));
        json_key_c(&w, "detail");
        json_write_string(&w, finding->detail);
        json_key_c(&w, "cure");
        if (finding->state == DOCTOR_OK)
            json_write_null(&w);
        else
            json_write_string(&w, finding->cure);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    buf_put_char(b, '\n');
}

static void put_text(struct buf *b, const struct doctor *d)
{
    enum { STATE_WIDTH = 9, CHECK_WIDTH_MIN = 12 };
    size_t width = CHECK_WIDTH_MIN;
    for (size_t i = 0; i < d->count; i++)
        width = max_of(width, strlen(d->findings[i].check) + 1);
    for (size_t i = 0; i < d->count; i++) {
        const struct doctor_finding *finding = &d->findings[i];
        buf_printf(b, "%-*s%-*s%.*s\n", STATE_WIDTH, doctor_state_name(finding->state), (int)width,
                   finding->check, STR_FMT(finding->detail));
        if (finding->state != DOCTOR_OK)
            buf_printf(b, "%*s=> %.*s\n", STATE_WIDTH + (int)width, "", STR_FMT(finding->cure));
    }
    size_t warnings = count_of(d, DOCTOR_WARNING), failures = count_of(d, DOCTOR_FAILURE);
    buf_printf(b, "\n%zu ok, %zu warning%s, %zu failure%s\n", count_of(d, DOCTOR_OK), warnings,
               warnings == 1 ? "" : "s", failures, failures == 1 ? "" : "s");
}

int cmd_doctor(const struct conf *conf)
{
    static const int exit_codes[] = {
        [DOCTOR_OK] = CMD_OK, [DOCTOR_WARNING] = CMD_FINDINGS, [DOCTOR_FAILURE] = CMD_FAILURE
    };
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    struct doctor d = doctor_begin(conf, a);
    const char *run = NULL;
    doctor_check_settings(&d);
    doctor_check_clock(&d);
    doctor_check_limits(&d);
    doctor_check_data(&d);
    doctor_check_port(&d);
    doctor_check_database(&d, &run);
    doctor_check_services(&d, run);
    if (conf_bool(conf, CONF_MIRROR))
        doctor_check_mirror(&d);
    struct buf b;
    buf_init(&b, 0);
    if (conf_bool(conf, CONF_JSON))
        put_json(&b, &d);
    else
        put_text(&b, &d);
    int printed = cmd_print(&b);
    buf_clear(&b);
    return printed == CMD_OK ? exit_codes[worst_of(&d)] : printed;
}

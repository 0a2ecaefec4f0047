#include "worker/ops.h"

enum { ID_LEN = 16, ARG_LEN = 8 };

static const struct {
    uint8_t args;
    enum rule_status from, to;
} ops[OP_COUNT] = {
    [OP_NONE] = { 0, STATUS_COUNT, STATUS_COUNT },
    [OP_ADD] = { 0, STATUS_COUNT, STATUS_PENDING },
    [OP_START_FIRST] = { 0, STATUS_PENDING, STATUS_IN_PROGRESS },
    [OP_START] = { 1, STATUS_PENDING, STATUS_IN_PROGRESS },
    [OP_COMPLETE] = { 0, STATUS_IN_PROGRESS, STATUS_COMPLETED },
    [OP_DIE] = { 0, STATUS_IN_PROGRESS, STATUS_FAILED },
    [OP_CANCEL_RUNNING] = { 0, STATUS_IN_PROGRESS, STATUS_FAILED },
    [OP_CANCEL_WAITING] = { 0, STATUS_PENDING, STATUS_FAILED },
    [OP_RETRY] = { 1, STATUS_IN_PROGRESS, STATUS_PENDING },
    [OP_LOST] = { 1, STATUS_IN_PROGRESS, STATUS_PENDING },
    [OP_RELEASE] = { 1, STATUS_IN_PROGRESS, STATUS_PENDING },
    [OP_REOPEN_FAILED] = { 2, STATUS_FAILED, STATUS_PENDING },
    [OP_REOPEN_WAITING] = { 2, STATUS_PENDING, STATUS_PENDING },
    [OP_CANCEL_ASKED] = { 0, STATUS_COUNT, STATUS_COUNT },
    [OP_DROP] = { 0, STATUS_COUNT, STATUS_COUNT },
    [OP_DROP_RANGE] = { 1, STATUS_COUNT, STATUS_COUNT },
    [OP_JOB] = { 0, STATUS_COUNT, STATUS_COUNT },
    [OP_JOB_GONE] = { 0, STATUS_COUNT, STATUS_COUNT },
    [OP_NOTE] = { 1, STATUS_COUNT, STATUS_COUNT },
    [OP_ADD_BLOCKED] = { 0, STATUS_COUNT, STATUS_PENDING },
    [OP_UNBLOCK] = { 0, STATUS_PENDING, STATUS_PENDING },
    [OP_DIE_WAITING] = { 0, STATUS_PENDING, STATUS_FAILED },
    [OP_TYPE] = { 0, STATUS_COUNT, STATUS_COUNT },
    [OP_QUEUE] = { 0, STATUS_COUNT, STATUS_COUNT },
    [OP_COMPLETE_BLOCKED] = { 0, STATUS_PENDING, STATUS_COMPLETED },
    [OP_REOPEN_BLOCKED] = { 2, STATUS_FAILED, STATUS_PENDING },
    [OP_RECORD] = { 0, STATUS_COUNT, STATUS_COUNT },
};

unsigned op_args(enum op op)
{
    assert(op < OP_COUNT);
    return ops[op].args;
}

enum rule_status op_from(enum op op)
{
    assert(op < OP_COUNT);
    return ops[op].from;
}

enum rule_status op_to(enum op op)
{
    assert(op < OP_COUNT);
    return ops[op].to;
}

void ops_init(struct ops_writer *w)
{
    *w = (struct ops_writer){ 0 };
    buf_init(&w->ops, 0);
    buf_init(&w->ids, 0);
    buf_init(&w->args, 0);
}

static void put_number(struct buf *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_put_char(b, (char)((value & 0x7f) | 0x80));
    buf_put_char(b, (char)value);
}

static void close_run(struct ops_writer *w)
{
    if (w->run == 0)
        return;
    buf_put_char(&w->ops, (char)w->last.op);
    put_number(&w->ops, w->last.session);
    put_number(&w->ops, w->last.attempt);
    put_number(&w->ops, w->run);
    w->run = 0;
}

void ops_put(struct ops_writer *w, const struct change *change)
{
    assert(change->op < OP_COUNT);
    bool is_same = w->run > 0 && w->last.op == change->op && w->last.session == change->session &&
                   w->last.attempt == change->attempt;
    if (!is_same)
        close_run(w);
    w->last = *change;
    w->run++;
    w->count++;
    buf_put(&w->ids, change->id.bytes, ID_LEN);
    for (unsigned i = 0; i < op_args(change->op); i++) {
        uint64_t value = (uint64_t)change->args[i];
        char bytes[ARG_LEN];
        for (unsigned k = 0; k < ARG_LEN; k++)
            bytes[k] = (char)(value >> (8 * (ARG_LEN - 1 - k)));
        buf_put(&w->args, bytes, ARG_LEN);
    }
}

void ops_finish(struct ops_writer *w)
{
    close_run(w);
}

void ops_clear(struct ops_writer *w)
{
    buf_clear(&w->ops);
    buf_clear(&w->ids);
    buf_clear(&w->args);
}

struct ops_reader ops_read(struct str op_bytes, struct str ids, struct str args)
{
    return (struct ops_reader){ .ops = op_bytes, .ids = ids, .args = args };
}

static bool take_number(struct str *bytes, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; bytes->len > 0 && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)bytes->ptr[0];
        *bytes = str_from(*bytes, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        *ret_value = value;
        return value <= max;
    }
    return false;
}

static bool open_run(struct ops_reader *r)
{
    uint64_t session, attempt;
    if (r->ops.len == 0 || (uint8_t)r->ops.ptr[0] >= OP_COUNT)
        return false;
    r->run = (struct change){ .op = (enum op)(uint8_t)r->ops.ptr[0] };
    r->ops = str_from(r->ops, 1);
    if (!take_number(&r->ops, UINT32_MAX, &session) ||
        !take_number(&r->ops, UINT32_MAX, &attempt) ||
        !take_number(&r->ops, UINT32_MAX, &r->left) || r->left == 0) {
        r->left = 1; /* not at the end */
        r->ids.len = 0;
        return false;
    }
    r->run.session = (uint32_t)session;
    r->run.attempt = (uint32_t)attempt;
    return true;
}

bool ops_next(struct ops_reader *r, struct change *ret_change)
{
    if (r->left == 0 && !open_run(r))
        return false;
    unsigned args = op_args(r->run.op);
    if (r->ids.len < ID_LEN || r->args.len < (size_t)args * ARG_LEN)
        return false;
    struct change change = r->run;
    memcpy(change.id.bytes, r->ids.ptr, ID_LEN);
    r->ids = str_from(r->ids, ID_LEN);
    for (unsigned i = 0; i < args; i++) {
        uint64_t value = 0;
        for (unsigned k = 0; k < ARG_LEN; k++)
            value = value << 8 | (uint8_t)r->args.ptr[k];
        change.args[i] = (int64_t)value;
        r->args = str_from(r->args, ARG_LEN);
    }
    r->left--;
    *ret_change = change;
    return true;
}

bool ops_is_at_end(const struct ops_reader *r)
{
    return r->left == 0 && r->ops.len == 0 && r->ids.len == 0 && r->args.len == 0;
}

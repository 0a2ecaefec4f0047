#include "runner/acks.h"

#include "base/mem.h"

struct entry {
    struct list node;
    struct ack ack; /* its texts are owned */
    bool is_settled;
    bool was_refused;
};

static const char *const outcome_names[ACK_OUTCOME_COUNT] = {
    [ACK_COMPLETE] = "complete", [ACK_FAIL] = "fail",     [ACK_FATAL] = "fatal",
    [ACK_RELEASE] = "release",   [ACK_SNOOZE] = "snooze", [ACK_CANCELLED] = "cancelled",
};

static struct entry *entry_of(struct list *node)
{
    return container_of(node, struct entry, node);
}

static struct str own(struct str text)
{
    return str_of(mem_cstr(text), text.len);
}

static void disown(struct str text)
{
    char *ptr;
    memcpy(&ptr, &text.ptr, sizeof ptr); /* it is ours, and was never constant */
    mem_free(ptr);
}

static void drop(struct acks *acks, struct entry *entry)
{
    list_remove(&entry->node);
    disown(entry->ack.task);
    disown(entry->ack.fence);
    disown(entry->ack.result);
    disown(entry->ack.error);
    disown(entry->ack.logs);
    disown(entry->ack.logs_out);
    mem_free(entry);
    acks->count--;
}

void acks_init(struct acks *acks)
{
    *acks = (struct acks){ 0 };
    list_init(&acks->waiting);
    list_init(&acks->behind);
    for (size_t i = 0; i < ACK_CARRIER_COUNT; i++)
        list_init(&acks->riding[i]);
}

static void drop_all(struct acks *acks, struct list *head)
{
    while (!list_is_empty(head))
        drop(acks, entry_of(head->next));
}

void acks_clear(struct acks *acks)
{
    drop_all(acks, &acks->waiting);
    drop_all(acks, &acks->behind);
    for (size_t i = 0; i < ACK_CARRIER_COUNT; i++)
        drop_all(acks, &acks->riding[i]);
    assert(acks->count == 0);
    acks->waiting_count = acks->single_count = 0;
}

/* What a failure says may come from anywhere; the worker takes UTF-8 without controls. */
static struct str own_error(struct str error)
{
    size_t len = (error = str_first_whole(error, ACK_ERROR_BYTES_MAX)).len;
    char *text = mem_cstr(error);
    bool is_utf8 = str_is_utf8(str_of(text, len));
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
        else if (!is_utf8 && (unsigned char)text[i] >= 0x80)
            text[i] = '?';
    return str_of(text, len);
}

void acks_add(struct acks *acks, const struct ack *ack)
{
    struct entry *entry = mem_new(struct entry);
    entry->ack = *ack;
    entry->ack.task = own(ack->task);
    entry->ack.fence = own(ack->fence);
    entry->ack.result = own(ack->result);
    entry->ack.error = own_error(ack->error);
    entry->ack.logs = own(ack->logs);
    entry->ack.logs_out = own(ack->logs_out);
    bool must_wait = ack->logs_out.len > 0;
    list_push(must_wait ? &acks->behind : &acks->waiting, &entry->node);
    acks->count++;
    acks->waiting_count += !must_wait;
}

/* The lines that are out before those that came later. */
static struct str joined(const struct ack *ack)
{
    struct buf text;
    buf_init(&text, 0);
    buf_put_str(&text, ack->logs_out);
    if (ack->logs.len > 0)
        buf_put_char(&text, ',');
    buf_put_str(&text, ack->logs);
    struct str both = own(buf_str(&text));
    buf_clear(&text);
    return both;
}

void acks_heartbeat_ended(struct acks *acks, bool has_arrived)
{
    for (struct list *node; (node = list_pop(&acks->behind));) {
        struct ack *ack = &entry_of(node)->ack;
        if (!has_arrived) {
            struct str both = joined(ack);
            disown(ack->logs);
            ack->logs = both;
        }
        disown(ack->logs_out);
        ack->logs_out = own(STR(""));
        list_push(&acks->waiting, node);
        acks->waiting_count++;
    }
}

static void write_entry(struct json_writer *w, const struct ack *ack)
{
    json_begin_object(w);
    json_key_c(w, "task");
    json_write_string(w, ack->task);
    json_key_c(w, "fence");
    json_write_string(w, ack->fence);
    json_key_c(w, "outcome");
    json_write_string(w, str_of_c(outcome_names[ack->outcome]));
    if (ack->result.len > 0) {
        json_key_c(w, "result");
        json_write_raw(w, ack->result);
    }
    if (ack->error.len > 0) {
        json_key_c(w, "error");
        json_write_string(w, ack->error);
    }
    if (ack->logs.len > 0) {
        json_key_c(w, "logs");
        json_begin_array(w);
        json_write_raw(w, ack->logs);
        json_end_array(w);
    }
    if (ack->retry_in_ms > 0) {
        json_key_c(w, "retry_in_ms");
        json_write_i64(w, ack->retry_in_ms);
    }
    json_end_object(w);
}

void acks_take(struct acks *acks, enum ack_carrier carrier, struct json_writer *w)
{
    assert(list_is_empty(&acks->riding[carrier]));
    size_t most = acks->single_count > 0 ? 1 : ACKS_ONE_CALL_MAX, bytes = 0;
    json_begin_array(w);
    for (size_t i = 0; i < most && !list_is_empty(&acks->waiting); i++) {
        struct entry *entry = entry_of(acks->waiting.next);
        bytes += entry->ack.result.len + entry->ack.error.len + entry->ack.logs.len;
        if (i > 0 && bytes > ACKS_ONE_CALL_BYTES)
            break;
        write_entry(w, &entry->ack);
        list_remove(&entry->node);
        list_push(&acks->riding[carrier], &entry->node);
        acks->waiting_count--;
    }
    json_end_array(w);
}

void acks_give_back(struct acks *acks, enum ack_carrier carrier)
{
    struct list *head = &acks->riding[carrier];
    while (!list_is_empty(head)) {
        struct list *last = head->prev;
        list_remove(last);
        list_push_front(&acks->waiting, last);
        acks->waiting_count++;
    }
}

size_t acks_settle(struct acks *acks, enum ack_carrier carrier, const struct wire_ack *answers,
                   size_t count, uint64_t ret_counts[WIRE_VERDICT_COUNT])
{
    struct list *head = &acks->riding[carrier];
    struct list *from = head->next; /* answers come in order as a rule: where to look first */
    size_t settled = 0;
    for (size_t i = 0; i < count; i++) {
        struct list *node = from;
        do {
            if (node != head) {
                struct entry *entry = entry_of(node);
                if (!entry->is_settled && str_eq(entry->ack.task, answers[i].task)) {
                    entry->is_settled = true;
                    ret_counts[answers[i].verdict]++;
                    from = node->next;
                    settled++;
                    break;
                }
            }
            node = node->next;
        } while (node != from);
    }
    list_each (node, head)
        if (entry_of(node)->is_settled)
            drop(acks, entry_of(node));
    acks->single_count -= min_of(acks->single_count, settled);
    size_t left_out = 0;
    list_each (node, head)
        left_out++;
    acks_give_back(acks, carrier);
    return left_out;
}

bool acks_refuse(struct acks *acks, enum ack_carrier carrier, struct str why)
{
    struct list *head = &acks->riding[carrier];
    assert(!list_is_empty(head));
    struct entry *first = entry_of(head->next);
    if (head->next != head->prev) { /* several: one of them is it */
        list_each (node, head)
            acks->single_count++;
        acks_give_back(acks, carrier);
        return true;
    }
    if (first->was_refused) {
        acks->single_count -= min_of(acks->single_count, (size_t)1);
        drop(acks, first);
        return false;
    }
    disown(first->ack.result);
    disown(first->ack.error);
    disown(first->ack.logs);
    first->was_refused = true;
    first->ack.outcome = ACK_FATAL;
    first->ack.result = own(STR(""));
    first->ack.logs = own(STR(""));
    first->ack.error = own_error(why);
    first->ack.retry_in_ms = 0;
    acks_give_back(acks, carrier);
    return true;
}

static void write_tasks_of(const struct list *head, struct json_writer *w)
{
    for (const struct list *node = head->next; node != head; node = node->next) {
        const struct entry *entry = (const struct entry *)(const void *)node;
        static_assert(offsetof(struct entry, node) == 0, "the cast above");
        json_begin_object(w);
        json_key_c(w, "task");
        json_write_string(w, entry->ack.task);
        json_key_c(w, "fence");
        json_write_string(w, entry->ack.fence);
        json_end_object(w);
    }
}

void acks_write_tasks(const struct acks *acks, struct json_writer *w)
{
    write_tasks_of(&acks->waiting, w);
    write_tasks_of(&acks->behind, w);
    for (size_t i = 0; i < ACK_CARRIER_COUNT; i++)
        write_tasks_of(&acks->riding[i], w);
}

const char *ack_outcome_name(enum ack_outcome outcome)
{
    return outcome_names[outcome];
}

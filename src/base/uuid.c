#include "base/uuid.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/random.h"

static void put_time_and_version(struct uuid *id, uint64_t ms)
{
    for (int i = 0; i < 6; i++)
        id->bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    id->bytes[6] = (uint8_t)(0x70 | (id->bytes[6] & 0x0f));
    id->bytes[8] = (uint8_t)(0x80 | (id->bytes[8] & 0x3f));
}

struct uuid uuid_v7_at(int64_t wall_us)
{
    struct uuid id;
    random_ids(&id, sizeof id);
    put_time_and_version(&id, (uint64_t)max_of(wall_us, (int64_t)0) / CLOCK_MS);
    return id;
}

enum { COUNTER_MAX = 0xfff, TAIL_AT = 12 };

/* From where chance began, upwards: ids that are made one after another stand beside one another in
 * an index of their ends. The others' bits are enough to tell those of several threads apart. */
static void put_tail(struct uuid *id)
{
    static thread_local uint32_t tail;
    static thread_local bool has_begun;
    if (!has_begun)
        memcpy(&tail, id->bytes + TAIL_AT, sizeof tail);
    has_begun = true;
    tail++;
    for (int i = 0; i < 4; i++)
        id->bytes[TAIL_AT + i] = (uint8_t)(tail >> (24 - 8 * i));
}

struct uuid uuid_v7(void)
{
    static thread_local uint64_t last_ms;
    static thread_local unsigned counter;
    struct uuid id;
    random_ids(&id, sizeof id);
    uint64_t now_ms = (uint64_t)clock_wall_us() / CLOCK_MS;
    if (now_ms > last_ms) {
        last_ms = now_ms;
        counter = id.bytes[6] & 0x07U; /* starts low, so that a millisecond has room */
        counter = counter << 8 | id.bytes[7];
    } else if (counter < COUNTER_MAX) {
        counter++;
    } else { /* a full millisecond, or a clock set back: run ahead of it */
        last_ms++;
        counter = 0;
    }
    id.bytes[6] = (uint8_t)(counter >> 8);
    id.bytes[7] = (uint8_t)counter;
    put_time_and_version(&id, last_ms);
    put_tail(&id);
    return id;
}

/* Where the digits of each byte are in the text: 8-4-4-4-12. */
static const uint8_t digits_at[16] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34 };

void uuid_format(struct uuid id, char ret_text[UUID_TEXT_LEN + 1])
{
    for (size_t i = 0; i < sizeof id.bytes; i++)
        hex_put(id.bytes[i], ret_text + digits_at[i]);
    ret_text[8] = ret_text[13] = ret_text[18] = ret_text[23] = '-';
    ret_text[UUID_TEXT_LEN] = '\0';
}

bool uuid_parse(struct str text, struct uuid *ret_id)
{
    struct uuid id;
    if (text.len != UUID_TEXT_LEN)
        return false;
    int wrong = 0; /* negative: some digit is none */
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        int high = hex_digit(text.ptr[digits_at[i]]);
        int low = hex_digit(text.ptr[digits_at[i] + 1]);
        wrong |= high | low;
        id.bytes[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    if (wrong < 0 || text.ptr[8] != '-' || text.ptr[13] != '-' || text.ptr[18] != '-' ||
        text.ptr[23] != '-')
        return false;
    *ret_id = id;
    return true;
}

struct uuid uuid_floor(int64_t wall_us)
{
    const int64_t ms_max = (INT64_C(1) << 48) - 1;
    int64_t ms = max_of(wall_us / CLOCK_MS, INT64_C(0));
    struct uuid id = { 0 };
    ms = min_of(ms, ms_max);
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    return id;
}

int uuid_version(struct uuid id)
{
    return id.bytes[6] >> 4;
}

int64_t uuid_time_us(struct uuid id)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms * CLOCK_MS;
}

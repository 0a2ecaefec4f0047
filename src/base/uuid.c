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

enum { COUNTER_MAX = 0xfff };

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
    return id;
}

void uuid_format(struct uuid id, char ret_text[UUID_TEXT_LEN + 1])
{
    char *at = ret_text;
    for (int i = 0; i < 16; i++, at += 2) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        hex_write(&id.bytes[i], 1, at);
    }
    *at = '\0';
}

bool uuid_parse(struct str text, struct uuid *ret_id)
{
    struct uuid id;
    if (text.len != UUID_TEXT_LEN)
        return false;
    const char *at = text.ptr;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
            return false;
        int high = hex_digit(at[0]);
        int low = hex_digit(at[1]);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
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

#include "gateway/health_board.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    WHY_MAX = 192,
    LOOPS_MAX = 64,
    STATE_BITS = 2, /* of a breaker's word: below its time */
};

struct fact {
    bool is_up, is_senseless;
    int64_t since_us, latency_us;
    char why[WHY_MAX], senseless[WHY_MAX];
};

struct health_board {
    pthread_mutex_t lock; /* of the facts; held for one copy */
    struct fact database, ai;
    bool is_ai_asked;       /* its state is not that of the beginning */
    uint64_t database_down; /* a bit for each loop */
    size_t peer_count;
    atomic_llong breakers[]; /* since_us and state */
};

static struct fact fact_begin(const char *why)
{
    struct fact fact = { .since_us = clock_wall_us(), .latency_us = -1 };
    snprintf(fact.why, sizeof fact.why, "%s", why);
    return fact;
}

struct health_board *health_board_create(size_t loop_count, size_t peer_count)
{
    struct health_board *board =
        mem_zalloc(1, sizeof *board + peer_count * sizeof board->breakers[0]);
    assert(loop_count > 0 && loop_count <= LOOPS_MAX);
    int failed = pthread_mutex_init(&board->lock, NULL);
    assert(!failed);
    board->database = fact_begin("");
    board->ai = fact_begin("not asked yet");
    board->database_down = UINT64_MAX >> (LOOPS_MAX - loop_count);
    board->peer_count = peer_count;
    return board;
}

void health_board_destroy(struct health_board *board)
{
    if (board == NULL)
        return;
    (void)pthread_mutex_destroy(&board->lock);
    mem_free(board);
}

/* ── facts ── */

/* Under the lock, as all of these. */
static bool set_up(struct fact *fact, bool is_up)
{
    if (fact->is_up == is_up)
        return false;
    fact->is_up = is_up;
    fact->since_us = clock_wall_us();
    return true;
}

static void set_why(struct fact *fact, const struct err *why)
{
    snprintf(fact->why, sizeof fact->why, "%s", why != NULL ? why->message : "");
}

static struct health_fact copy(struct health_board *board, const struct fact *fact, struct arena *a)
{
    pthread_mutex_lock(&board->lock);
    const char *why = !fact->is_up ? fact->why : fact->is_senseless ? fact->senseless : "";
    struct health_fact copied = { .is_up = fact->is_up,
                                  .is_senseless = fact->is_senseless,
                                  .why = arena_copy(a, str_of_c(why)),
                                  .since_us = fact->since_us,
                                  .latency_us = fact->latency_us };
    pthread_mutex_unlock(&board->lock);
    return copied;
}

bool health_board_tell_database(struct health_board *board, size_t loop, bool is_up,
                                const struct err *why)
{
    uint64_t bit = UINT64_C(1) << loop;
    pthread_mutex_lock(&board->lock);
    board->database_down = is_up ? board->database_down & ~bit : board->database_down | bit;
    bool is_first = (board->database_down & (bit - 1)) == 0;
    if (!is_up && why != NULL && is_first) /* the first of those that are without */
        set_why(&board->database, why);
    bool is_new = set_up(&board->database, board->database_down == 0);
    pthread_mutex_unlock(&board->lock);
    return is_new;
}

bool health_board_has_database(struct health_board *board)
{
    pthread_mutex_lock(&board->lock);
    bool is_up = board->database.is_up;
    pthread_mutex_unlock(&board->lock);
    return is_up;
}

struct health_fact health_board_database(struct health_board *board, struct arena *a)
{
    return copy(board, &board->database, a);
}

bool health_board_tell_ai(struct health_board *board, const struct err *why)
{
    pthread_mutex_lock(&board->lock);
    set_why(&board->ai, why);
    bool is_first = !board->is_ai_asked;
    board->is_ai_asked = true;
    bool is_new = set_up(&board->ai, why == NULL) || is_first;
    pthread_mutex_unlock(&board->lock);
    return is_new;
}

bool health_board_tell_ai_sense(struct health_board *board, const char *why)
{
    struct fact *ai = &board->ai;
    pthread_mutex_lock(&board->lock);
    bool is_new = ai->is_senseless != (why != NULL);
    if (is_new) {
        ai->is_senseless = why != NULL;
        ai->since_us = clock_wall_us();
        snprintf(ai->senseless, sizeof ai->senseless, "%s", why != NULL ? why : "");
    }
    pthread_mutex_unlock(&board->lock);
    return is_new;
}

void health_board_tell_ai_latency(struct health_board *board, int64_t latency_us)
{
    pthread_mutex_lock(&board->lock);
    board->ai.latency_us = latency_us;
    pthread_mutex_unlock(&board->lock);
}

struct health_fact health_board_ai(struct health_board *board, struct arena *a)
{
    return copy(board, &board->ai, a);
}

/* ── breakers ── */

static struct health_breaker breaker_of(long long word)
{
    return (struct health_breaker){ .state =
                                        (enum http_breaker_state)(word & ((1 << STATE_BITS) - 1)),
                                    .since_us = word >> STATE_BITS };
}

struct health_breaker health_board_breaker(const struct health_board *board, size_t peer)
{
    assert(peer < board->peer_count);
    return breaker_of(atomic_load_explicit(&board->breakers[peer], memory_order_relaxed));
}

static long long word_of(struct health_breaker breaker)
{
    return breaker.since_us << STATE_BITS | (long long)breaker.state;
}

/* Unless another loop tells of a change at this moment: that one is later. */
static void close_breaker(struct health_board *board, size_t peer)
{
    const struct health_breaker closed = { HTTP_BREAKER_CLOSED, clock_wall_us() };
    long long seen = atomic_load_explicit(&board->breakers[peer], memory_order_relaxed);
    if (breaker_of(seen).state != HTTP_BREAKER_CLOSED)
        (void)atomic_compare_exchange_strong(&board->breakers[peer], &seen, word_of(closed));
}

void health_board_note(struct health_board *board, size_t peer, struct health_breaker *last,
                       struct health_breaker now, bool is_answered)
{
    assert(peer < board->peer_count);
    if (now.state != last->state || now.since_us != last->since_us)
        atomic_store_explicit(&board->breakers[peer], word_of(now), memory_order_relaxed);
    else if (is_answered && now.state == HTTP_BREAKER_CLOSED)
        close_breaker(board, peer);
    *last = now;
}

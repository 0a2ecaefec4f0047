/*
 * intent: what a person asks for, as far as a small grammar can tell: words are lowered, brought to
 * concepts (typing errors allowed), and the first rule whose concepts are there wins. What it does
 * not know it says so; it never guesses an answer.
 * Pure. The table of rules is in intent.c, phrasings it must know in tests/unit/ai_intent_test.c.
 */
#pragma once
#include "base/arena.h"

enum intent_kind {
    INTENT_UNKNOWN,
    INTENT_GREETING,
    INTENT_THANKS,
    INTENT_HELP,
    INTENT_CHANGE, /* asks to change something, which chat does not do */
    INTENT_TASK,   /* one, by its id */
    INTENT_JOB,    /* one, by its id */
    INTENT_COUNTS,
    INTENT_RATE,
    INTENT_FAILURES,
    INTENT_DURATION,
    INTENT_THROUGHPUT,
    INTENT_OLDEST,
    INTENT_RUNNING,
    INTENT_JOBS,
    INTENT_USERS,
    INTENT_HEALTH,
    INTENT_OVERVIEW,
    INTENT_KIND_COUNT
};

/* A set, for COUNTS; none is all. */
enum intent_status {
    INTENT_PENDING = 1,
    INTENT_IN_PROGRESS = 2,
    INTENT_COMPLETED = 4,
    INTENT_FAILED = 8,
};

/* What of the jobs is wanted. */
enum intent_jobs { INTENT_JOBS_ALL, INTENT_JOBS_NEXT, INTENT_JOBS_PAUSED, INTENT_JOBS_FAILED };

struct intent_window {
    bool is_given;
    int64_t from_us, to_us; /* to_us 0: up to now */
    struct str text;        /* "in the last 24 h", "today", "yesterday" */
};

enum { INTENT_NAMES_MAX = 4, INTENT_TEXT_BYTES_MAX = 2'000, INTENT_WORDS_MAX = 100 };

struct intent {
    enum intent_kind kind;
    unsigned statuses;
    enum intent_jobs jobs;
    struct intent_window window;
    struct str id;                      /* canonical, in lower case */
    struct str names[INTENT_NAMES_MAX]; /* words it does not know: perhaps of types or jobs */
    size_t name_count;
    bool wants_waits; /* DURATION: how long tasks wait, rather than run */
};

/* `before` is what the person asked last, or empty: "and yesterday?" means that again. Only the
 * first INTENT_TEXT_BYTES_MAX bytes are read. */
[[nodiscard]] struct intent intent_of(struct arena *a, struct str text, struct str before,
                                      int64_t now_us);
/* "counts", for logs. */
[[nodiscard]] const char *intent_kind_name(enum intent_kind kind);

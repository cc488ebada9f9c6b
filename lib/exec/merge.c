/* A tree of losers over the runs' heads. Heads are compared by an 8-byte prefix; the keys themselves only where that
 * ties. Where one run wins again and again, its records are taken in stretches. */
#include "exec/merge.h"

#include <stdlib.h>

#include "base/error.h"
#include "exec/gather.h"
#include "exec/prefix.h"

typedef struct head {
    run *run;
    sdf_batch batch;
    size_t at; /* in batch */
    bool done;
} head;

/* A contestant: the prefix stands beside the run's number, so that most games touch nothing else. */
typedef struct player {
    uint64_t prefix; /* inverted for a descending order; all ones when the run is done */
    uint32_t run;
} player;

struct merge {
    task_env *env;
    type_kind key, value;
    bool descending, decided; /* decided: equal prefixes are equal keys */
    bool built;
    uint32_t count;
    uint64_t charged;
    uint32_t last; /* who won before */
    gathered out;  /* pending, from several runs' batches, which must all stay as they are while it is */
    size_t pending;
    player *losers; /* [1..count): of the inner games; [0]: the winner */
    head heads[];
};

void merge_free(merge *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->count; i++)
        run_close(m->heads[i].run);
    budget_give(m->env->budget, m->charged);
    free(m->losers);
    free(m);
}

int merge_new(merge **out, task_env *env, type_kind key, type_kind value, bool descending, run *const *runs,
              uint32_t count, sdf_error **err)
{
    uint64_t size = sizeof(merge) + count * sizeof(head), losers = (count + 1) * sizeof(player);
    int rc = budget_take(env->budget, size + losers, NULL, err);
    merge *m = rc ? NULL : calloc(1, size);
    player *players = m ? calloc(count + 1, sizeof(player)) : NULL;
    if (!players) {
        if (!rc) {
            budget_give(env->budget, size + losers);
            rc = error_no_memory(err);
        }
        free(m);
        for (uint32_t i = 0; i < count; i++)
            run_close(runs[i]);
        return rc;
    }
    m->env = env;
    m->key = key;
    m->value = value;
    m->descending = descending;
    m->decided = prefix_decides(key);
    m->count = count;
    m->charged = size + losers;
    m->last = UINT32_MAX;
    m->losers = players;
    for (uint32_t i = 0; i < count; i++)
        m->heads[i].run = runs[i];
    *out = m;
    return SDF_OK;
}

static uint64_t prefix_at(const merge *m, const head *h, size_t i)
{
    sdf_slice key = column_get(&h->batch.key, i);
    uint64_t prefix = key_prefix(m->key, key.data, key.size);
    return m->descending ? ~prefix : prefix;
}

/* The next batch of a run whose batch is used up. */
static int head_refill(merge *m, uint32_t i, sdf_error **err)
{
    head *h = &m->heads[i];
    h->at = 0;
    do {
        int rc = run_next(h->run, &h->batch, err);
        if (rc < 0)
            return rc;
        if (rc == SDF_END) {
            h->done = true;
            h->batch.count = 0;
            run_close(h->run); /* its memory is of use to others */
            h->run = NULL;
            return SDF_OK;
        }
    } while (!h->batch.count);
    return SDF_OK;
}

static player player_of(const merge *m, uint32_t i)
{
    const head *h = &m->heads[i];
    return (player){h->done ? UINT64_MAX : prefix_at(m, h, h->at), i};
}

/* Record `i` of a head against another head's current one, prefixes being equal. */
static bool tie_before(const merge *m, const head *a, size_t i, const head *b)
{
    if (a->done || b->done)
        return !a->done || (b->done && a < b);
    int d = 0;
    if (!m->decided) {
        sdf_slice x = column_get(&a->batch.key, i), y = column_get(&b->batch.key, b->at);
        d = key_compare_from(x.data, x.size, y.data, y.size, 0);
        d = m->descending ? -d : d;
    }
    return d ? d < 0 : a < b; /* heads lie in the order of their runs */
}

static inline bool player_before(const merge *m, const player *a, const player *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    return tie_before(m, &m->heads[a->run], m->heads[a->run].at, &m->heads[b->run]);
}

/* Plays from a leaf up: the losers stay, the winner comes to the top. */
static void replay(merge *m, player p)
{
    for (uint32_t node = (p.run + m->count) / 2; node; node /= 2) {
        player *other = &m->losers[node];
        if (player_before(m, other, &p)) {
            player t = *other;
            *other = p;
            p = t;
        }
    }
    m->losers[0] = p;
}

/* Winner of the games below a node, whose losers are set. */
static player build(merge *m, uint32_t node)
{
    if (node >= m->count)
        return player_of(m, node - m->count);
    player a = build(m, 2 * node), b = build(m, 2 * node + 1);
    bool first = player_before(m, &a, &b);
    m->losers[node] = first ? b : a;
    return first ? a : b;
}

static int merge_start(merge *m, sdf_error **err)
{
    for (uint32_t i = 0; i < m->count; i++) {
        int rc = head_refill(m, i, err);
        if (rc)
            return rc;
    }
    m->built = true;
    if (m->count)
        m->losers[0] = build(m, 1);
    return SDF_OK;
}

/* The best of those who lost against the run, all of whom it met on its way up. */
static player runner_up(const merge *m, uint32_t i)
{
    player best = {UINT64_MAX, UINT32_MAX};
    for (uint32_t node = (i + m->count) / 2; node; node /= 2)
        if (best.run == UINT32_MAX || player_before(m, &m->losers[node], &best))
            best = m->losers[node];
    return best;
}

static bool record_before(const merge *m, const head *h, size_t i, const player *other)
{
    uint64_t prefix = prefix_at(m, h, i);
    if (prefix != other->prefix)
        return prefix < other->prefix;
    return tie_before(m, h, i, &m->heads[other->run]);
}

/* How many of the winner's records, at most `most`, come before all other runs' heads. At least 1. */
static size_t stretch(const merge *m, uint32_t i, size_t most)
{
    const head *h = &m->heads[i];
    player other = runner_up(m, i);
    if (other.run == UINT32_MAX || m->heads[other.run].done || record_before(m, h, h->at + most - 1, &other))
        return most;
    size_t low = 1, high = most - 1; /* the first goes, the last does not */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (record_before(m, h, h->at + middle, &other))
            low = middle + 1;
        else
            high = middle;
    }
    return most > 1 ? low : 1;
}

static void gather(merge *m, const sdf_batch *from, size_t first, size_t count)
{
    bool key_words = type_is_number(m->key), value_words = type_is_number(m->value);
    for (size_t i = 0; i < count; i++) {
        gathered_set(&m->out.keys, key_words, m->pending + i, column_get(&from->key, first + i));
        gathered_set(&m->out.values, value_words, m->pending + i, column_get(&from->value, first + i));
    }
    m->pending += count;
}

static int hand_out(const merge *m, sdf_batch *batch)
{
    *batch = gathered_batch(&m->out, m->key, m->value, m->pending);
    return m->pending ? SDF_OK : SDF_END;
}

/* Takes `n` records of the winner; true: *batch is them, straight from the run's own batch, as nothing else is
 * pending. */
static bool take(merge *m, head *h, size_t n, sdf_batch *batch)
{
    size_t first = h->at;
    h->at += n;
    if (n == 1 || m->pending) {
        gather(m, &h->batch, first, n);
        return false;
    }
    *batch =
        (sdf_batch){.count = n, .key = column_from(&h->batch.key, first), .value = column_from(&h->batch.value, first)};
    return true;
}

int merge_next(merge *m, sdf_batch *batch, sdf_error **err)
{
    int rc = m->built ? SDF_OK : merge_start(m, err);
    if (rc || !m->count)
        return rc ? rc : SDF_END;
    m->pending = 0;
    for (;;) {
        uint32_t w = m->losers[0].run;
        head *h = &m->heads[w];
        if (h->done)
            return hand_out(m, batch);
        if (h->at == h->batch.count) {
            if (m->pending) /* it may point into what the refill overwrites */
                return hand_out(m, batch);
            if ((rc = head_refill(m, w, err)))
                return rc;
            replay(m, player_of(m, w));
            continue;
        }
        size_t left = h->batch.count - h->at, room = SDF_BATCH_MAX - m->pending, n = 1;
        if (w == m->last)
            n = stretch(m, w, left < room ? left : room);
        m->last = w;
        bool direct = take(m, h, n, batch);
        if (h->at < h->batch.count)
            replay(m, player_of(m, w));
        if (direct)
            return SDF_OK;
        if (m->pending == SDF_BATCH_MAX)
            return hand_out(m, batch);
    }
}

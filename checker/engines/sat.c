/* A small incremental SAT solver: clause learning, two watched literals, assumptions.

   Literals are +-variable, variables count from 1. Inside, variable v's literals are 2v and 2v+1.
   A solve decides only variables that were marked for it: the caller marks enough that the others
   follow by propagation, or may take either value. What it says is a hint to its caller: a proof
   is re-checked by another solver. It is deterministic. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int32_t cref, blocker; } watch;
typedef struct { watch *at; int32_t n, room; } watches;

typedef struct {
    int32_t vars, room;         /* variables in use, and allocated */
    int32_t *arena;             /* clauses: size, learnt, activity, literals */
    int64_t used, size, wasted;
    int32_t *learnts, nlearnts, rlearnts;
    int32_t *clauses, nclauses, rclauses;
    watches *watch;             /* by literal: clauses that watch its complement */
    int8_t *value;              /* by literal: 1 true, -1 false, 0 open */
    int32_t *level, *reason;
    int8_t *phase, *decide, *seen;
    double *activity, bump;
    int32_t *heap, *place, nheap;
    int32_t *trail, ntrail, head;
    int32_t *limit, nlimit, rlimit; /* where each level begins on the trail */
    int32_t *learnt, nlearnt;
    int32_t *clear, nclear;
    int32_t *core, ncore;
    int8_t *model;
    int32_t simplified;         /* length of the trail of level 0 at the last clean-up */
    int64_t conflicts, propagations;
    double clause_bump;
    int32_t max_learnts;
    int ok, failed;
} sat;

enum { SIZE, LEARNT, ACTIVITY, HEAD };
#define CLAUSE(s, c) ((s)->arena + (c))
#define NOT(l) ((l) ^ 1)
#define VAR(l) ((l) >> 1)

static int32_t inside(int32_t l) { return l > 0 ? 2 * l : -2 * l + 1; }
static int32_t outside(int32_t l) { return l & 1 ? -(l >> 1) : l >> 1; }

static void *grown(sat *s, void *p, size_t bytes) {
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) { s->failed = 1; return p; }
    return q;
}

static int push(sat *s, int32_t **list, int32_t *n, int32_t *room, int32_t x) {
    if (*n == *room) {
        int32_t more = *room ? *room * 2 : 16;
        int32_t *q = realloc(*list, sizeof(int32_t) * (size_t)more);
        if (!q) { s->failed = 1; return 0; }
        *list = q, *room = more;
    }
    (*list)[(*n)++] = x;
    return 1;
}

/* -- the order of decisions: a heap by activity ------------------------------------------------ */
static int before(const sat *s, int32_t a, int32_t b) {
    return s->activity[a] > s->activity[b] || (s->activity[a] == s->activity[b] && a < b);
}

static void up(sat *s, int32_t i) {
    int32_t v = s->heap[i];
    while (i && before(s, v, s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        s->place[s->heap[i]] = i;
        i = (i - 1) / 2;
    }
    s->heap[i] = v, s->place[v] = i;
}

static void down(sat *s, int32_t i) {
    int32_t v = s->heap[i];
    for (;;) {
        int32_t c = 2 * i + 1;
        if (c >= s->nheap) break;
        if (c + 1 < s->nheap && before(s, s->heap[c + 1], s->heap[c])) c++;
        if (!before(s, s->heap[c], v)) break;
        s->heap[i] = s->heap[c], s->place[s->heap[i]] = i;
        i = c;
    }
    s->heap[i] = v, s->place[v] = i;
}

static void insert(sat *s, int32_t v) {
    if (!s->decide[v] || s->place[v] >= 0) return;
    s->heap[s->nheap] = v, s->place[v] = s->nheap;
    up(s, s->nheap++);
}

static void bump(sat *s, int32_t v) {
    if ((s->activity[v] += s->bump) > 1e100) {
        for (int32_t i = 1; i <= s->vars; i++) s->activity[i] *= 1e-100;
        s->bump *= 1e-100;
    }
    if (s->place[v] >= 0) up(s, s->place[v]);
}

/* -- variables ----------------------------------------------------------------------------------- */
static int reserve(sat *s, int32_t n) {
    if (n >= s->room) {
        int32_t room = s->room ? s->room : 1024;
        while (room <= n) room *= 2;
        size_t k = (size_t)room;
#define GROW(field, count) s->field = grown(s, s->field, sizeof(*s->field) * (count))
        GROW(watch, 2 * k); GROW(value, 2 * k); GROW(level, k); GROW(reason, k); GROW(phase, k);
        GROW(decide, k); GROW(seen, k); GROW(activity, k); GROW(heap, k); GROW(place, k);
        GROW(trail, k); GROW(learnt, k); GROW(clear, k); GROW(core, k);
        GROW(model, k);
#undef GROW
        if (s->failed) return 0;
        s->room = room;
    }
    for (int32_t v = s->vars + 1; v <= n; v++) {
        s->watch[2 * v] = s->watch[2 * v + 1] = (watches){0, 0, 0};
        s->value[2 * v] = s->value[2 * v + 1] = 0;
        s->level[v] = 0, s->reason[v] = -1, s->phase[v] = 1, s->decide[v] = 0, s->seen[v] = 0;
        s->activity[v] = 0, s->place[v] = -1;
    }
    if (n > s->vars) s->vars = n;
    return 1;
}

static void assign(sat *s, int32_t l, int32_t reason) {
    s->value[l] = 1, s->value[NOT(l)] = -1;
    s->level[VAR(l)] = s->nlimit, s->reason[VAR(l)] = reason;
    s->trail[s->ntrail++] = l;
}

static void back(sat *s, int32_t level) {
    if (s->nlimit <= level) return;
    for (int32_t i = s->ntrail; i-- > s->limit[level];) {
        int32_t l = s->trail[i];
        s->value[l] = s->value[NOT(l)] = 0;
        s->phase[VAR(l)] = (int8_t)(l & 1);
        insert(s, VAR(l));
    }
    s->ntrail = s->head = s->limit[level];
    s->nlimit = level;
}

/* -- clauses --------------------------------------------------------------------------------------- */
static void look(sat *s, int32_t l, int32_t cref, int32_t blocker) {
    watches *w = &s->watch[l];
    if (w->n == w->room) {
        int32_t room = w->room ? w->room * 2 : 4;
        watch *q = realloc(w->at, sizeof(watch) * (size_t)room);
        if (!q) { s->failed = 1; return; }
        w->at = q, w->room = room;
    }
    w->at[w->n++] = (watch){cref, blocker};
}

static int32_t make(sat *s, const int32_t *lits, int32_t n, int learnt) {
    if (s->used + HEAD + n > s->size) {
        int64_t size = s->size ? s->size * 2 : 1 << 16;
        while (size < s->used + HEAD + n) size *= 2;
        if (size > INT32_MAX) { s->failed = 1; return -1; }
        s->arena = grown(s, s->arena, sizeof(int32_t) * (size_t)size);
        if (s->failed) return -1;
        s->size = size;
    }
    int32_t cref = (int32_t)s->used, *c = CLAUSE(s, cref);
    float zero = 0;
    c[SIZE] = n, c[LEARNT] = learnt;
    memcpy(c + ACTIVITY, &zero, sizeof zero);
    memcpy(c + HEAD, lits, sizeof(int32_t) * (size_t)n);
    s->used += HEAD + n;
    if (learnt) push(s, &s->learnts, &s->nlearnts, &s->rlearnts, cref);
    else push(s, &s->clauses, &s->nclauses, &s->rclauses, cref);
    look(s, NOT(lits[0]), cref, lits[1]);
    look(s, NOT(lits[1]), cref, lits[0]);
    return cref;
}

/* The clause that is false, or -1. */
static int32_t propagate(sat *s) {
    while (s->head < s->ntrail) {
        int32_t l = s->trail[s->head++];
        watches *w = &s->watch[l];
        watch *from = w->at, *to = w->at, *end = w->at + w->n;
        s->propagations++;
        while (from != end) {
            if (s->value[from->blocker] > 0) { *to++ = *from++; continue; }
            int32_t cref = from->cref, *c = CLAUSE(s, cref), *x = c + HEAD, n = c[SIZE];
            from++;
            if (x[0] == NOT(l)) x[0] = x[1], x[1] = NOT(l);
            if (s->value[x[0]] > 0) { *to++ = (watch){cref, x[0]}; continue; }
            int32_t k = 2;
            while (k < n && s->value[x[k]] < 0) k++;
            if (k < n) {
                x[1] = x[k], x[k] = NOT(l);
                look(s, NOT(x[1]), cref, x[0]);
                continue;
            }
            *to++ = (watch){cref, x[0]};
            if (s->value[x[0]] < 0) {
                while (from != end) *to++ = *from++;
                w->n = (int32_t)(to - w->at);
                s->head = s->ntrail;
                return cref;
            }
            assign(s, x[0], cref);
        }
        w->n = (int32_t)(to - w->at);
    }
    return -1;
}

static void bump_clause(sat *s, int32_t *c) {
    float a;
    memcpy(&a, c + ACTIVITY, sizeof a);
    a += (float)s->clause_bump;
    memcpy(c + ACTIVITY, &a, sizeof a);
    if (a > 1e20f) {
        for (int32_t i = 0; i < s->nlearnts; i++) {
            int32_t *d = CLAUSE(s, s->learnts[i]);
            memcpy(&a, d + ACTIVITY, sizeof a);
            a *= 1e-20f;
            memcpy(d + ACTIVITY, &a, sizeof a);
        }
        s->clause_bump *= 1e-20;
    }
}

/* Whether literal l of a learnt clause follows from the others: all of its reason is seen. */
static int follows(const sat *s, int32_t l) {
    int32_t r = s->reason[VAR(l)];
    if (r < 0) return 0;
    const int32_t *c = s->arena + r;
    for (int32_t i = 0; i < c[SIZE]; i++) {
        int32_t v = VAR(c[HEAD + i]);
        if (v != VAR(l) && !s->seen[v] && s->level[v] > 0) return 0;
    }
    return 1;
}

/* Learn from a conflict: s->learnt, the asserting literal first. The level to go back to. */
static int32_t analyse(sat *s, int32_t cref) {
    int32_t open = 0, i = s->ntrail, l = -1;
    s->nlearnt = 1, s->nclear = 0;
    do {
        int32_t *c = CLAUSE(s, cref);
        if (c[LEARNT]) bump_clause(s, c);
        for (int32_t k = 0; k < c[SIZE]; k++) {
            int32_t q = c[HEAD + k], v = VAR(q);
            if (q == l || s->seen[v] || s->level[v] == 0) continue;
            s->seen[v] = 1, s->clear[s->nclear++] = v;
            bump(s, v);
            if (s->level[v] >= s->nlimit) open++;
            else s->learnt[s->nlearnt++] = q;
        }
        while (!s->seen[VAR(s->trail[--i])]) {}
        l = s->trail[i];
        cref = s->reason[VAR(l)];
        open--;
    } while (open > 0);
    s->learnt[0] = NOT(l);
    int32_t n = 1;
    for (int32_t k = 1; k < s->nlearnt; k++)
        if (!follows(s, s->learnt[k])) s->learnt[n++] = s->learnt[k];
    s->nlearnt = n;
    for (int32_t k = 0; k < s->nclear; k++) s->seen[s->clear[k]] = 0;
    int32_t top = 1;
    for (int32_t k = 2; k < n; k++)
        if (s->level[VAR(s->learnt[k])] > s->level[VAR(s->learnt[top])]) top = k;
    if (n == 1) return 0;
    int32_t swap = s->learnt[1];
    s->learnt[1] = s->learnt[top], s->learnt[top] = swap;
    return s->level[VAR(s->learnt[1])];
}

/* The assumptions that make assumption l false, l included. */
static void blame(sat *s, int32_t l) {
    s->ncore = 0;
    s->core[s->ncore++] = l;
    if (!s->nlimit) return;
    s->seen[VAR(l)] = 1;
    for (int32_t i = s->ntrail; i-- > s->limit[0];) {
        int32_t q = s->trail[i], v = VAR(q);
        if (!s->seen[v]) continue;
        int32_t r = s->reason[v];
        if (r < 0) {
            if (q != NOT(l) && q != l) s->core[s->ncore++] = q;
            else if (q == NOT(l)) s->core[s->ncore++] = q; /* l and its complement are assumed */
        } else {
            int32_t *c = CLAUSE(s, r);
            for (int32_t k = 0; k < c[SIZE]; k++)
                if (s->level[VAR(c[HEAD + k])] > 0) s->seen[VAR(c[HEAD + k])] = 1;
        }
        s->seen[v] = 0;
    }
    s->seen[VAR(l)] = 0;
}

static int satisfied(const sat *s, const int32_t *c) {
    for (int32_t i = 0; i < c[SIZE]; i++)
        if (s->value[c[HEAD + i]] > 0) return 1;
    return 0;
}

/* Rebuild the arena from the clauses kept, at level 0. */
static void collect(sat *s) {
    int32_t *old = s->arena;
    int64_t size = s->used - s->wasted + (1 << 16);
    int32_t *arena = malloc(sizeof(int32_t) * (size_t)size);
    if (!arena) { s->failed = 1; return; }
    for (int32_t l = 0; l < 2 * s->vars + 2; l++) s->watch[l].n = 0;
    int64_t used = 0;
    for (int pass = 0; pass < 2; pass++) {
        int32_t *list = pass ? s->learnts : s->clauses, n = pass ? s->nlearnts : s->nclauses;
        for (int32_t i = 0; i < n; i++) {
            int32_t *c = old + list[i];
            memcpy(arena + used, c, sizeof(int32_t) * (size_t)(HEAD + c[SIZE]));
            list[i] = (int32_t)used;
            used += HEAD + c[SIZE];
        }
    }
    s->arena = arena, s->size = size, s->used = used, s->wasted = 0;
    free(old);
    for (int pass = 0; pass < 2; pass++) {
        int32_t *list = pass ? s->learnts : s->clauses, n = pass ? s->nlearnts : s->nclauses;
        for (int32_t i = 0; i < n; i++) {
            int32_t *x = arena + list[i] + HEAD;
            look(s, NOT(x[0]), list[i], x[1]);
            look(s, NOT(x[1]), list[i], x[0]);
        }
    }
    /* Facts need no reason. */
    for (int32_t i = 0; i < s->ntrail; i++) s->reason[VAR(s->trail[i])] = -1;
}

typedef struct { float activity; int32_t cref; } ranked;

static int by_activity(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->activity != y->activity) return x->activity < y->activity ? -1 : 1;
    return x->cref < y->cref ? -1 : x->cref > y->cref;
}

/* At level 0: drop satisfied clauses, and the less active half of the learnt ones if too many. */
static void clean(sat *s) {
    float bound = -1;
    if (s->nlearnts > s->max_learnts) {
        ranked *r = malloc(sizeof(ranked) * (size_t)s->nlearnts);
        if (!r) { s->failed = 1; return; }
        for (int32_t i = 0; i < s->nlearnts; i++) {
            memcpy(&r[i].activity, CLAUSE(s, s->learnts[i]) + ACTIVITY, sizeof(float));
            r[i].cref = s->learnts[i];
        }
        qsort(r, (size_t)s->nlearnts, sizeof(ranked), by_activity);
        bound = r[s->nlearnts / 2].activity;
        free(r);
        s->max_learnts += s->max_learnts / 20;
    }
    for (int pass = 0; pass < 2; pass++) {
        int32_t *list = pass ? s->learnts : s->clauses, *n = pass ? &s->nlearnts : &s->nclauses;
        int32_t kept = 0;
        for (int32_t i = 0; i < *n; i++) {
            int32_t *c = CLAUSE(s, list[i]);
            float a;
            memcpy(&a, c + ACTIVITY, sizeof a);
            if (satisfied(s, c) || (pass && c[SIZE] > 2 && a < bound)) s->wasted += HEAD + c[SIZE];
            else list[kept++] = list[i];
        }
        *n = kept;
    }
    collect(s);
    s->simplified = s->ntrail;
}

/* -- the interface ----------------------------------------------------------------------------------- */
void sat_free(sat *s) {
    for (int32_t l = 2; s->watch && l < 2 * s->vars + 2; l++) free(s->watch[l].at);
    free(s->arena); free(s->learnts); free(s->clauses); free(s->watch); free(s->value);
    free(s->level); free(s->reason); free(s->phase); free(s->decide); free(s->seen);
    free(s->activity); free(s->heap); free(s->place); free(s->trail); free(s->limit);
    free(s->learnt); free(s->clear); free(s->core); free(s->model); free(s);
}

sat *sat_new(void) {
    sat *s = calloc(1, sizeof *s);
    if (!s) return 0;
    s->bump = s->clause_bump = 1, s->ok = 1, s->max_learnts = 4000;
    if (!reserve(s, 1)) { sat_free(s); return 0; }
    s->watch[0] = s->watch[1] = (watches){0, 0, 0};
    return s;
}

/* Variables up to n exist; those from `first` to n are decided, each first tried as `phase`. */
int sat_decide(sat *s, int32_t first, int32_t n, int32_t phase) {
    if (!reserve(s, n)) return -1;
    for (int32_t v = first; v <= n; v++) {
        s->decide[v] = 1, s->phase[v] = (int8_t)!phase;
        insert(s, v);
    }
    return 0;
}

/* Add clauses, each ended by 0. -1 without memory. */
int sat_add(sat *s, const int32_t *lits, int64_t n) {
    back(s, 0);
    int64_t begin = 0;
    for (int64_t i = 0; i < n; i++) {
        if (lits[i]) {
            if (!reserve(s, lits[i] > 0 ? lits[i] : -lits[i])) return -1;
            continue;
        }
        /* Without false and repeated literals; nothing to do for a clause that is true. */
        int32_t count = 0, skip = 0;
        for (int64_t k = begin; k < i; k++) {
            int32_t l = inside(lits[k]);
            if (s->value[l] > 0) skip = 1;
            if (s->value[l] < 0) continue;
            int32_t j = 0;
            while (j < count && s->learnt[j] != l && s->learnt[j] != NOT(l)) j++;
            if (j < count) { if (s->learnt[j] != l) skip = 1; continue; }
            s->learnt[count++] = l;
        }
        begin = i + 1;
        if (skip || !s->ok) continue;
        if (count == 0) s->ok = 0;
        else if (count == 1) {
            assign(s, s->learnt[0], -1);
            if (propagate(s) >= 0) s->ok = 0;
        } else make(s, s->learnt, count, 0);
    }
    return s->failed ? -1 : 0;
}

static int64_t luby(int64_t i) {
    int64_t size = 1, seq = 0;
    while (size < i + 1) size = 2 * size + 1, seq++;
    while (size - 1 != i) size = (size - 1) >> 1, seq--, i %= size;
    return (int64_t)1 << seq;
}

/* 1 satisfiable, -1 unsatisfiable, 0 after `budget` conflicts, -2 without memory. */
int sat_solve(sat *s, const int32_t *assumptions, int32_t n, int64_t budget) {
    back(s, 0);
    s->ncore = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t l = assumptions[i];
        if (!reserve(s, l > 0 ? l : -l)) return -2;
    }
    if (!s->ok) return -1;
    if (propagate(s) >= 0) { s->ok = 0; return -1; }
    if (s->nlearnts > s->max_learnts || s->ntrail > s->simplified + 500) clean(s);
    if (n + s->vars + 2 > s->rlimit) {
        int32_t *q = realloc(s->limit, sizeof(int32_t) * (size_t)(2 * (n + s->vars + 2)));
        if (!q) return -2;
        s->limit = q, s->rlimit = 2 * (n + s->vars + 2);
    }
    int64_t spent = 0, restarts = 0, until = 100;
    while (!s->failed) {
        int32_t cref = propagate(s);
        if (cref >= 0) {
            s->conflicts++;
            if (!s->nlimit) { s->ok = 0; return -1; }
            int32_t level = analyse(s, cref);
            back(s, level);
            if (s->nlearnt == 1) assign(s, s->learnt[0], -1);
            else {
                int32_t made = make(s, s->learnt, s->nlearnt, 1);
                if (made < 0) break;
                bump_clause(s, CLAUSE(s, made));
                assign(s, s->learnt[0], made);
            }
            s->bump /= 0.95, s->clause_bump /= 0.999;
            if (++spent >= budget) { back(s, 0); return 0; }
            if (spent >= until) {
                until = spent + 100 * luby(++restarts);
                back(s, 0);
                if (propagate(s) >= 0) { s->ok = 0; return -1; }
                if (s->nlearnts > s->max_learnts) clean(s);
            }
            continue;
        }
        int32_t l = 0;
        while (s->nlimit < n) {
            int32_t a = inside(assumptions[s->nlimit]);
            if (s->value[a] < 0) { blame(s, a); back(s, 0); return -1; }
            if (s->value[a] == 0) { l = a; break; }
            s->limit[s->nlimit++] = s->ntrail;
        }
        while (!l && s->nheap) {
            int32_t v = s->heap[0];
            s->place[v] = -1;
            s->heap[0] = s->heap[--s->nheap];
            if (s->nheap) { s->place[s->heap[0]] = 0; down(s, 0); }
            if (!s->value[2 * v]) l = 2 * v + s->phase[v];
        }
        if (!l) {
            for (int32_t v = 1; v <= s->vars; v++) s->model[v] = s->value[2 * v] > 0;
            back(s, 0);
            return 1;
        }
        s->limit[s->nlimit++] = s->ntrail;
        assign(s, l, -1);
    }
    return -2;
}

/* The failed assumptions after -1 into `out`, as many as it returns. */
int32_t sat_core(const sat *s, int32_t *out) {
    for (int32_t i = 0; i < s->ncore; i++) out[i] = outside(s->core[i]);
    return s->ncore;
}

/* The values of some variables after 1: 1 true, 0 false or of no account. */
void sat_model(const sat *s, const int32_t *variables, int32_t n, uint8_t *out) {
    for (int32_t i = 0; i < n; i++) out[i] = (uint8_t)s->model[variables[i]];
}

int64_t sat_conflicts(const sat *s) { return s->conflicts; }

/* The part of the native engine that is the same for every system; native_source.py writes the
 * rest.
 *
 * Defined before this text: WORDS (64-bit words a state), WIDEST (most successors of 64 states),
 * STEPS, QUESTIONS, EDGES (0 or 1: count edges). `ask_block` and `expand_block` stand below it.
 *
 * States are rows of one growing array in order of discovery. The index is an open-addressing table
 * of 32-bit slots: 0 is free, else the low `bits` bits are a row plus one and the rest are bits of
 * the hash. These only save look-ups: a state is the same if all its words are, never before.
 *
 * Several threads do what one would do, to the last row number: see `batch`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;

enum { DONE, LIMIT, BUDGET, NO_MEMORY, NO_DISK };

#define NEVER (~0ull)
#define BLOCK 64ull
#define CHUNK (1ull << 15)    /* rows: in every array a multiple of any page size in use */
#define PART (16 * BLOCK)     /* rows that a thread takes at a time */
#define PARTS 32ull           /* of a batch, for each thread */
#define THREADS 16            /* at most */
#define LEFT 256
#define STACK (8ull << 20)
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

typedef struct {
    u64 w[WORDS];
    u64 hash;
    u64 slot;     /* in a batch: where it stands in the index, or NEVER if it is known */
    u32 parent;
    u16 via;
} Next;

/* Some successors, in order. */
typedef struct {
    Next *at;
    u64 count, space;
} List;

typedef struct Search Search;

/* What one thread has. The slots from `from` to before `to` are its own to fill. */
typedef struct {
    Search *s;
    Next *buffer;     /* the successors of one block */
    u64 filled;
    u64 *seen;        /* as in Search */
    List list[THREADS];
    uint8_t *owner;   /* of the successors that it found, in order: whose slot each gets */
    u64 owners, space;
    u64 from, to;
    Next **fresh;     /* new states in its slots, and how many of each part of the batch */
    u64 found, room, number[PARTS * THREADS];
    u32 left[LEFT];   /* rows, or that many, whose slot is beyond `to` */
    u64 lefts;
    int failed;
} Worker;

/* A part of a batch: by whom it was expanded, and where that worker's lists hold it. */
typedef struct {
    Worker *by;
    u64 begin, count, base;
    u64 first[THREADS], length[THREADS];
} Part;

/* native.py mirrors the fields up to `batches`. */
struct Search {
    u64 *words;   /* row-major, WORDS a row */
    u32 *parent;  /* row it was first reached from */
    u16 *via;     /* by which step */
    u64 count;    /* rows found */
    u64 next;     /* first row not expanded */
    u64 limit;    /* rows to find at most */
    u64 memory;   /* bytes to hold at most */
    u64 *seen;    /* by question: the first row where it holds, or NEVER */
    u64 *edges;   /* by step */
    u64 batches;  /* done by several threads */
    u32 *slot;
    u64 slots, most, room, reserved;
    int bits, fd[3];
    Worker *worker[THREADS];
    int threads;  /* that work now */
    u64 turn, begin, end, parts;
    Part *part;
};

static const u64 SIZE[3] = {8 * WORDS, 4, 2};

static inline u64 hash_of(const u64 *w)
{
    u64 h = 0x9E3779B97F4A7C15ull;
    for (int k = 0; k < WORDS; k++) {
        h = (h ^ w[k]) * 0xBF58476D1CE4E5B9ull;
        h ^= h >> 32;
    }
    h *= 0x94D049BB133111EBull;
    h ^= h >> 29;
    return MIX(h);
}

static inline u64 home(const Search *s, u64 h)
{
    return (u64)(((unsigned __int128)h * s->slots) >> 64);
}

static inline u32 tag(const Search *s, u64 h)
{
    return (u32)((h & 0xFFFFFFFFull) << s->bits);
}

static inline int equal(const u64 *a, const u64 *b)
{
    u64 differ = 0;
    for (int k = 0; k < WORDS; k++)
        differ |= a[k] ^ b[k];
    return !differ;
}

/* Bytes held in memory; arrays in files are not counted. */
u64 search_bytes(const Search *s)
{
    u64 out = s->slots * 4;
    for (int k = 0; k < 3; k++)
        if (s->fd[k] < 0)
            out += s->count * SIZE[k];
    return out;
}

/* Make a file longer, with its blocks: writing to a hole of a full disk would be a signal. */
static int allocate(int fd, u64 old, u64 more)
{
#ifdef __linux__
    int code = posix_fallocate(fd, (off_t)old, (off_t)more);
    if (code != EINVAL && code != EOPNOTSUPP)
        return code;
#endif
    static const char zero[1 << 15];
    for (u64 done = 0; done < more; done += sizeof zero)
        if (pwrite(fd, zero, sizeof zero, (off_t)(old + done)) != (ssize_t)sizeof zero)
            return ENOSPC;
    return 0;
}

/* Make `rows` rows usable. Addresses never change: the space is reserved, then opened in pieces. */
static int extend(Search *s, u64 rows)
{
    if (rows <= s->room)
        return DONE;
    if (rows > s->reserved)
        return NO_MEMORY;
    u64 room = s->room + s->room / 8;
    room = ((room > rows ? room : rows) + CHUNK - 1) / CHUNK * CHUNK;
    if (room > s->reserved)
        room = s->reserved;
    void *base[3] = {s->words, s->parent, s->via};
    for (int k = 0; k < 3; k++) {
        u64 old = s->room * SIZE[k], more = room * SIZE[k] - old;
        char *at = (char *)base[k] + old;
        if (s->fd[k] < 0) {
            if (mprotect(at, more, PROT_READ | PROT_WRITE))
                return NO_MEMORY;
            continue;
        }
        if (allocate(s->fd[k], old, more))
            return NO_DISK;
        if (mmap(at, more, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd[k], (off_t)old)
            == MAP_FAILED)
            return NO_MEMORY;
    }
    s->room = room;
    return DONE;
}

/* Run `phase` once for each worker, in threads of their own but for the first. */
typedef struct {
    Worker *worker;
    void (*phase)(Worker *);
} Job;

static void *run(void *job)
{
    Job *j = job;
    j->phase(j->worker);
    return NULL;
}

static void together(Search *s, void (*phase)(Worker *))
{
    pthread_t id[THREADS];
    Job job[THREADS];
    int begun[THREADS] = {0};
    pthread_attr_t how;
    sigset_t all, before;
    s->turn = 0;
    if (s->threads > 1 && !pthread_attr_init(&how)) {
        /* Signals are for the thread that called. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_setstacksize(&how, STACK);
        for (int t = 1; t < s->threads; t++) {
            job[t] = (Job){s->worker[t], phase};
            begun[t] = !pthread_create(&id[t], &how, run, &job[t]);
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&how);
    }
    phase(s->worker[0]);
    for (int t = 1; t < s->threads; t++)
        if (begun[t])
            pthread_join(id[t], NULL);
        else
            phase(s->worker[t]);
}

/* Give each worker its slots. */
static void divide(Search *s)
{
    for (int t = 0; t < s->threads; t++) {
        s->worker[t]->from = s->slots / (u64)s->threads * (u64)t;
        s->worker[t]->to = s->slots / (u64)s->threads * (u64)(t + 1);
    }
    s->worker[s->threads - 1]->to = s->slots;
}

/* Put the rows whose place is in the worker's slots into the index. */
static void fill_own(Worker *k)
{
    const Search *s = k->s;
    enum { SOME = 256 };
    u64 hash[SOME], row[SOME];
    k->lefts = 0;
    /* A page that is read first is mapped twice, and the other threads' processors are told. */
    for (u64 at = k->from; at < k->to; at += 1024)
        ((volatile u32 *)s->slot)[at] = 0;
    for (u64 i = 0; i < s->count;) {
        u64 n = 0;
        for (u64 end = i + SOME < s->count ? i + SOME : s->count; i < end; i++) {
            u64 h = hash_of(s->words + i * WORDS), at = home(s, h);
            hash[n] = h;
            row[n] = i;
            /* Whose row it is cannot be foretold, so this is no branch. */
            n += (at >= k->from) & (at < k->to);
        }
        for (u64 x = 0; x < n; x++)
            __builtin_prefetch(&s->slot[home(s, hash[x])], 1);
        for (u64 x = 0; x < n; x++) {
            u64 at = home(s, hash[x]);
            while (at < k->to && s->slot[at])
                at++;
            if (at < k->to)
                s->slot[at] = tag(s, hash[x]) | (u32)(row[x] + 1);
            else if (k->lefts++ < LEFT)
                k->left[k->lefts - 1] = (u32)row[x];
        }
    }
}

static void fill_one(Search *s, u64 row)
{
    u64 h = hash_of(s->words + row * WORDS), at = home(s, h);
    while (s->slot[at])
        if (++at == s->slots)
            at = 0;
    s->slot[at] = tag(s, h) | (u32)(row + 1);
}

/* Put all rows into the empty index. */
static void fill(Search *s)
{
    int threads = s->threads, crowded = 0;
    if (s->count < TOGETHER)
        s->threads = 1;
    divide(s);
    together(s, fill_own);
    for (int t = 0; t < s->threads; t++)
        crowded |= s->worker[t]->lefts > LEFT;
    if (crowded) {
        memset(s->slot, 0, s->slots * 4);
        for (u64 row = 0; row < s->count; row++)
            fill_one(s, row);
    } else
        for (int t = 0; t < s->threads; t++)
            for (u64 i = 0; i < s->worker[t]->lefts; i++)
                fill_one(s, s->worker[t]->left[i]);
    s->threads = threads;
}

/* A larger table, filled from the rows. The old one goes first, so both are never held. */
static int rehash(Search *s, u64 need)
{
    u64 slots = s->slots + s->slots / 2;
    if (slots < 1024)
        slots = 1024;
    if (slots < need + need / 4 + 1)
        slots = need + need / 4 + 1;
    if (search_bytes(s) - s->slots * 4 + slots * 4 > s->memory)
        return BUDGET;
    if (s->slot)
        munmap(s->slot, s->slots * 4);
    s->slots = slots;
    s->slot = mmap(NULL, slots * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->slot == MAP_FAILED) {
        s->slot = NULL;
        s->slots = s->most = 0;
        return NO_MEMORY;
    }
#ifdef MADV_HUGEPAGE
    madvise(s->slot, slots * 4, MADV_HUGEPAGE);   /* it is read all over: fewer misses */
#endif
    s->most = slots - slots / 5;
    if (s->most > 0xFFFFFFFFull)
        s->most = 0xFFFFFFFFull;
    s->bits = 64 - __builtin_clzll(s->most);
    fill(s);
    return DONE;
}

/* The slot where the search for `n` ends or may end: a free one, or one with its tag. */
static inline u64 look(const Search *s, const Next *n, u64 at)
{
    u32 want = tag(s, n->hash), low = (u32)((1ull << s->bits) - 1);
    for (;;) {
        u32 v = s->slot[at];
        if (!v || (v & ~low) == want)
            return at;
        if (++at == s->slots)
            at = 0;
    }
}

/* Add what the buffer holds and is new. */
static int insert(Worker *k)
{
    Search *s = k->s;
    Next *b = k->buffer;
    u64 n = k->filled, ahead = 12;
    int code = DONE;
    if (s->count + n > s->most && (code = rehash(s, s->count + n)))
        return code;
    u64 rows = s->count + n < s->limit ? s->count + n : s->limit;
    if ((code = extend(s, rows)))
        return code;
    u32 low = (u32)((1ull << s->bits) - 1);
    for (u64 i = 0; i < n + ahead; i++) {
        if (i < n) {
            u64 at = b[i].slot = look(s, &b[i], home(s, b[i].hash));
            u32 v = s->slot[at];
            if (v)
                __builtin_prefetch(s->words + (u64)((v & low) - 1) * WORDS);
        }
        if (i < ahead)
            continue;
        Next *x = &b[i - ahead];
        u64 at = x->slot;
        for (;;) {
            at = look(s, x, at);
            u32 v = s->slot[at];
            if (!v)
                break;
            if (equal(s->words + (u64)((v & low) - 1) * WORDS, x->w))
                goto known;
            if (++at == s->slots)
                at = 0;
        }
        if (s->count >= s->limit)
            return LIMIT;
        s->slot[at] = tag(s, x->hash) | (u32)(s->count + 1);
        memcpy(s->words + s->count * WORDS, x->w, sizeof x->w);
        s->parent[s->count] = x->parent;
        s->via[s->count] = x->via;
        s->count++;
    known:;
    }
    return DONE;
}

/* Take the successor being built at the end of the buffer. Inlined hundreds of times it would only
 * make the compiler slow. */
static __attribute__((noinline)) void take(Worker *k, const u64 *from, u64 row, u16 via)
{
    const Search *s = k->s;
    Next *x = &k->buffer[k->filled];
    if (!EDGES && equal(x->w, from))
        return;
    x->hash = hash_of(x->w);
    x->parent = (u32)row;
    x->via = via;
    __builtin_prefetch(&s->slot[home(s, x->hash)], 1);
    k->filled++;
}

/* Bits of 64 rows, turned: bit i of plane k of word w is bit k of word w of row i. */
static void planes(const u64 *rows, u64 n, u64 *p)
{
    for (int w = 0; w < WORDS; w++, p += 64) {
        for (u64 i = 0; i < 64; i++)
            p[i] = i < n ? rows[i * WORDS + (u64)w] : 0;
        u64 m = 0x00000000FFFFFFFFull;
        for (unsigned j = 32; j; j >>= 1, m ^= m << j)
            for (unsigned k0 = 0; k0 < 64; k0 += 2 * j)
                for (unsigned k = k0; k < k0 + j; k++) {
                    u64 t = ((p[k] >> j) ^ p[k + j]) & m;
                    p[k] ^= t << j;
                    p[k + j] ^= t;
                }
    }
}

static inline void note(Worker *k, int question, u64 row, u64 hits)
{
    if (hits && k->seen[question] == NEVER)
        k->seen[question] = row + (u64)__builtin_ctzll(hits);
}

static void ask_block(Worker *k, u64 row, const u64 *p, u64 valid);
static void expand_block(Worker *k, u64 row, const u64 *p, u64 valid);

static void free_worker(Worker *k)
{
    if (!k)
        return;
    for (int t = 0; t < THREADS; t++)
        free(k->list[t].at);
    free(k->buffer);
    free(k->seen);
    free(k->owner);
    free(k->fresh);
    free(k);
}

static Worker *new_worker(Search *s)
{
    Worker *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->s = s;
    k->buffer = malloc((WIDEST + 1) * sizeof(Next));
    k->seen = malloc((QUESTIONS + 1) * sizeof(u64));
    if (!k->buffer || !k->seen) {
        free_worker(k);
        return NULL;
    }
    for (int i = 0; i < QUESTIONS; i++)
        k->seen[i] = NEVER;
    return k;
}

/* Use `threads` threads, or as many as there is memory for. */
static void employ(Search *s, int threads)
{
    s->threads = 1;
    if (EDGES)
        return;
    if (!s->part && !(s->part = malloc(PARTS * THREADS * sizeof(Part))))
        return;
    for (; s->threads < threads && s->threads < THREADS; s->threads++)
        if (!s->worker[s->threads] && !(s->worker[s->threads] = new_worker(s)))
            return;
}

static int number_of(const Worker *k)
{
    int t = 0;
    while (k->s->worker[t] != k)
        t++;
    return t;
}

static void ask_own(Worker *k)
{
    Search *s = k->s;
    u64 p[64 * WORDS], t = (u64)number_of(k), threads = (u64)s->threads, rows = s->end - s->begin;
    u64 row = s->begin + rows * t / threads, end = s->begin + rows * (t + 1) / threads;
    for (; row < end; row += BLOCK) {
        u64 n = end - row < BLOCK ? end - row : BLOCK;
        planes(s->words + row * WORDS, n, p);
        ask_block(k, row, p, n == 64 ? ~0ull : (1ull << n) - 1);
    }
}

/* Ask the questions of the rows from `begin` to before `end`. */
void search_ask(Search *s, u64 begin, u64 end, int threads)
{
    employ(s, end - begin < TOGETHER ? 1 : threads);
    s->begin = begin;
    s->end = end;
    together(s, ask_own);
    for (int t = 0; t < s->threads; t++)
        for (int i = 0; i < QUESTIONS; i++)
            if (s->worker[t]->seen[i] < s->seen[i])
                s->seen[i] = s->worker[t]->seen[i];
}

#if EDGES
static int order(const void *a, const void *b)
{
    const Next *x = a, *y = b;
    if (x->via != y->via)
        return x->via < y->via ? -1 : 1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return memcmp(x->w, y->w, sizeof x->w);
}

static void count_edges(Search *s)
{
    Worker *k = s->worker[0];
    qsort(k->buffer, k->filled, sizeof(Next), order);
    for (u64 i = 0; i < k->filled; i++)
        if (!i || order(&k->buffer[i - 1], &k->buffer[i]))
            s->edges[k->buffer[i].via]++;
}
#endif

/* -- a batch: one search in several threads ---------------------------------------------------
 *
 * 1. Parts of the batch are expanded, and what the index has is dropped. The index is only read.
 * 2. Each worker puts what is left and belongs into its slots there, in the order in which one
 *    thread would, under numbers that only it knows (`fresh`). Equal states stop at the same free
 *    slot in 1, so they meet here.
 * 3. How many states of each part are new is known now, and so is the row of each.
 *
 * So rows, parents and steps are those of one thread. A batch that would meet a limit changes
 * nothing, and one thread expands it.
 */

/* Of what the buffer holds, keep what the index does not have. */
static int keep(Worker *k)
{
    const Search *s = k->s;
    Next *b = k->buffer;
    u64 n = k->filled, ahead = 12;
    u32 low = (u32)((1ull << s->bits) - 1);
    if (k->owners + n > k->space) {
        u64 space = 2 * (k->owners + n);
        void *at = realloc(k->owner, space);
        if (!at)
            return NO_MEMORY;
        k->owner = at;
        k->space = space;
    }
    for (u64 i = 0; i < n + ahead; i++) {
        if (i < n) {
            u64 at = b[i].slot = look(s, &b[i], home(s, b[i].hash));
            u32 v = s->slot[at];
            if (v)
                __builtin_prefetch(s->words + (u64)((v & low) - 1) * WORDS);
        }
        if (i < ahead || i - ahead >= n)
            continue;
        Next *x = &b[i - ahead];
        for (;;) {
            u32 v = s->slot[x->slot];
            if (!v)
                break;
            if (equal(s->words + (u64)((v & low) - 1) * WORDS, x->w))
                goto known;
            if (++x->slot == s->slots)
                x->slot = 0;
            x->slot = look(s, x, x->slot);
        }
        u64 t = x->slot / (s->slots / (u64)s->threads);
        if (t >= (u64)s->threads)
            t = (u64)s->threads - 1;
        List *l = &k->list[t];
        if (l->count == l->space) {
            u64 space = l->space ? 2 * l->space : 1024;
            void *at = realloc(l->at, space * sizeof(Next));
            if (!at)
                return NO_MEMORY;
            l->at = at;
            l->space = space;
        }
        l->at[l->count++] = *x;
        k->owner[k->owners++] = (uint8_t)t;
    known:;
    }
    return DONE;
}

static void expand_some(Worker *k)
{
    Search *s = k->s;
    u64 p[64 * WORDS];
    k->failed = 0;
    k->owners = 0;
    for (int t = 0; t < s->threads; t++)
        k->list[t].count = 0;
    for (;;) {
        u64 c = __atomic_fetch_add(&s->turn, 1, __ATOMIC_RELAXED);
        if (c >= s->parts)
            return;
        Part *x = &s->part[c];
        x->by = k;
        x->begin = k->owners;
        for (int t = 0; t < s->threads; t++)
            x->first[t] = k->list[t].count;
        u64 row = s->begin + c * PART, end = row + PART < s->end ? row + PART : s->end;
        for (; row < end && !k->failed; row += BLOCK) {
            u64 n = end - row < BLOCK ? end - row : BLOCK;
            planes(s->words + row * WORDS, n, p);
            k->filled = 0;
            expand_block(k, row, p, n == 64 ? ~0ull : (1ull << n) - 1);
            k->failed = keep(k);
        }
        x->count = k->owners - x->begin;
        for (int t = 0; t < s->threads; t++)
            x->length[t] = k->list[t].count - x->first[t];
    }
}

/* Look for `x` in the slots of `k` from `at` on: 1 if it is put there, 0 if it is known, else -1. */
static inline int place(Worker *k, Next *x, u64 at)
{
    Search *s = k->s;
    u32 want = tag(s, x->hash), low = (u32)((1ull << s->bits) - 1);
    for (; at < k->to; at++) {
        u32 v = s->slot[at];
        if (!v) {
            s->slot[at] = want | (u32)(s->count + k->found + 1);
            x->slot = at;
            k->fresh[k->found++] = x;
            return 1;
        }
        if ((v & ~low) == want) {
            u64 row = (v & low) - 1;
            if (equal(row < s->count ? s->words + row * WORDS : k->fresh[row - s->count]->w, x->w)) {
                x->slot = NEVER;
                return 0;
            }
        }
    }
    return -1;
}

static void place_own(Worker *k)
{
    Search *s = k->s;
    int me = number_of(k);
    k->found = k->lefts = 0;
    for (u64 c = 0; c < s->parts; c++) {
        Part *part = &s->part[c];
        Next *x = part->by->list[me].at + part->first[me];
        u64 n = part->length[me], before = k->found;
        for (u64 i = 0; i < n; i++) {
            if (i + 12 < n)
                __builtin_prefetch(&s->slot[x[i + 12].slot], 1);
            if (place(k, &x[i], x[i].slot) < 0) {
                x[i].slot = NEVER - 1;
                k->lefts++;
            }
        }
        k->number[c] = k->found - before;
    }
}

/* Place what did not fit into its worker's slots: in those of the next ones, by one thread. */
static void place_left(Search *s)
{
    for (int t = 0; t < s->threads; t++)
        for (u64 c = 0; s->worker[t]->lefts && c < s->parts; c++) {
            Part *part = &s->part[c];
            Next *x = part->by->list[t].at + part->first[t];
            for (u64 i = 0; i < part->length[t]; i++)
                if (x[i].slot == NEVER - 1) {
                    int code = -1;
                    for (int other = t; code < 0;) {
                        other = (other + 1) % s->threads;
                        code = place(s->worker[other], &x[i], s->worker[other]->from);
                    }
                    s->worker[t]->number[c] += (u64)code;
                }
        }
}

static void settle_some(Worker *k)
{
    Search *s = k->s;
    for (;;) {
        u64 c = __atomic_fetch_add(&s->turn, 1, __ATOMIC_RELAXED);
        if (c >= s->parts)
            return;
        const Part *part = &s->part[c];
        const uint8_t *owner = part->by->owner + part->begin;
        const Next *from[THREADS];
        for (int t = 0; t < s->threads; t++)
            from[t] = part->by->list[t].at + part->first[t];
        u64 row = part->base;
        for (u64 i = 0; i < part->count; i++) {
            const Next *x = from[owner[i]]++;
            if (x->slot == NEVER)
                continue;
            memcpy(s->words + row * WORDS, x->w, sizeof x->w);
            s->parent[row] = x->parent;
            s->via[row] = x->via;
            s->slot[x->slot] = tag(s, x->hash) | (u32)++row;
        }
    }
}

/* Expand the rows from `next` to before `end` in several threads; 0 if that is not possible. */
static int batch(Search *s, u64 end)
{
    u64 n;
    for (;;) {
        s->begin = s->next;
        s->end = end;
        s->parts = (end - s->next + PART - 1) / PART;
        divide(s);
        together(s, expand_some);
        n = 0;
        for (int t = 0; t < s->threads; t++) {
            if (s->worker[t]->failed)
                return 0;
            n += s->worker[t]->owners;
        }
        if (n > s->limit - s->count)
            return 0;
        if (s->count + n <= s->most)
            break;
        if (rehash(s, s->count + n))
            return 0;
    }
    if (extend(s, s->count + n))
        return 0;
    for (int t = 0; t < s->threads; t++) {
        Worker *k = s->worker[t];
        if (k->room < n) {
            void *at = realloc(k->fresh, 2 * n * sizeof *k->fresh);
            if (!at)
                return 0;
            k->fresh = at;
            k->room = 2 * n;
        }
    }
    together(s, place_own);
    place_left(s);
    u64 count = s->count;
    for (u64 c = 0; c < s->parts; c++) {
        s->part[c].base = count;
        for (int t = 0; t < s->threads; t++)
            count += s->worker[t]->number[c];
    }
    together(s, settle_some);
    s->count = count;
    s->next = end;
    s->batches++;
    return 1;
}

/* Expand up to `most` rows before row `end`, in whole blocks, so that the order of the rows does not
 * depend on `most`. A block that was not done to its end is expanded again. */
int search_expand(Search *s, u64 end, u64 most, int threads)
{
    u64 p[64 * WORDS], alone = 0;
    Worker *k = s->worker[0];
    employ(s, threads);
    most = (most + BLOCK - 1) / BLOCK * BLOCK;
    if (end - s->next > most)
        end = s->next + most;
    while (s->next < end) {
        if (s->threads > 1 && s->next >= alone && end - s->next >= TOGETHER && s->slots) {
            u64 rows = (u64)s->threads * PARTS * PART;
            alone = end - s->next < rows ? end : s->next + rows;
            if (batch(s, alone))
                continue;
        }
        u64 n = end - s->next < BLOCK ? end - s->next : BLOCK;
        planes(s->words + s->next * WORDS, n, p);
        k->filled = 0;
        expand_block(k, s->next, p, n == 64 ? ~0ull : (1ull << n) - 1);
        int code = insert(k);
        if (code)
            return code;
#if EDGES
        count_edges(s);
#endif
        s->next += n;
    }
    return DONE;
}

/* Add one initial state. */
int search_begin(Search *s, const u64 *w)
{
    Worker *k = s->worker[0];
    memcpy(k->buffer->w, w, sizeof k->buffer->w);
    k->buffer->hash = hash_of(w);
    k->buffer->parent = 0;
    k->buffer->via = 0;
    k->filled = 1;
    return insert(k);
}

/* Room in a file for array `k`. The caller then writes its rows there. */
int search_allocate(Search *s, int k, int fd)
{
    return s->room && allocate(fd, 0, s->room * SIZE[k]) ? NO_DISK : DONE;
}

/* From here on array `k` is in a file, which has its rows. */
int search_move(Search *s, int k, int fd)
{
    u64 size = s->room * SIZE[k];
    void *at = k == 0 ? (void *)s->words : k == 1 ? (void *)s->parent : (void *)s->via;
    if (size && mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
        return NO_MEMORY;
    s->fd[k] = fd;
    return DONE;
}

/* Room for `rows` rows that the caller then writes. */
int search_room(Search *s, u64 rows)
{
    return extend(s, rows);
}

/* The table over the first `rows` rows, which the caller has written. */
int search_restore(Search *s, u64 rows, int threads)
{
    employ(s, threads);
    s->count = rows;
    return rehash(s, rows + 1);
}

void search_free(Search *s)
{
    if (!s)
        return;
    void *base[3] = {s->words, s->parent, s->via};
    for (int k = 0; k < 3; k++)
        if (base[k])
            munmap(base[k], s->reserved * SIZE[k]);
    if (s->slot)
        munmap(s->slot, s->slots * 4);
    for (int t = 0; t < THREADS; t++)
        free_worker(s->worker[t]);
    free(s->part);
    free(s->seen);
    free(s->edges);
    free(s);
}

/* A search with room for `most` rows. `fd` are files for words, parents and steps, or -1. */
Search *search_new(u64 most, const int *fd)
{
    Search *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->limit = most;
    s->memory = NEVER;
    s->seen = malloc((QUESTIONS + 1) * sizeof(u64));
    s->edges = calloc(STEPS + 1, sizeof(u64));
    s->worker[0] = new_worker(s);
    s->threads = 1;
    if (!s->seen || !s->edges || !s->worker[0]) {
        search_free(s);
        return NULL;
    }
    for (int k = 0; k < QUESTIONS; k++)
        s->seen[k] = NEVER;
    memcpy(s->fd, fd, sizeof s->fd);
    /* Under a limit of the address space the reservation shrinks until it is granted. */
    s->reserved = most / CHUNK * CHUNK + CHUNK;
    for (; s->reserved; s->reserved = s->reserved / 2 / CHUNK * CHUNK) {
        void *base[3];
        int k = 0;
        for (; k < 3; k++) {
            base[k] = mmap(NULL, s->reserved * SIZE[k], PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (base[k] == MAP_FAILED)
                break;
        }
        if (k == 3) {
            s->words = base[0];
            s->parent = base[1];
            s->via = base[2];
            return s;
        }
        while (k--)
            munmap(base[k], s->reserved * SIZE[k]);
    }
    search_free(s);
    return NULL;
}

/* The states of a search, for any way of making successors and any index.
 *
 * Defined before this text: WORDS, the 64-bit words of a row. States are rows of one growing array in
 * order of discovery. What says which states are known stands below: in views.c, chunks.c and
 * collapse.c for a search, in compiled.c for mutants.
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

enum { DONE, LIMIT, BUDGET, NO_MEMORY, NO_DISK, NARROW };

#define NEVER (~0ull)
#define BLOCK 64ull
#define CHUNK (1ull << 15)    /* rows: in every array a multiple of any page size in use */
#define HUGE (1ull << 21)     /* bytes of a huge page; where there are none, it costs nothing */
#define AHEAD 12              /* how far ahead of its use memory is fetched */
#define PART (16 * BLOCK)     /* rows that a thread takes at a time */
#define PARTS 32ull           /* of a batch, for each thread */
#define THREADS 16            /* at most */
#define SPIN 20000
#define STACK (8ull << 20)
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* A successor. `order` is that of the action which made it. */
typedef struct {
    u64 w[WORDS];
    u32 parent;
    u16 via, order;
} Next;

typedef struct Search Search;

/* What one thread has. */
typedef struct {
    Search *s;
    Next *buffer;     /* the successors of one block */
    u64 filled;
    u64 *seen;        /* as in Search */
    struct Own *own;  /* whatever the index and the steps need */
    u64 bytes;        /* that this holds */
    int failed;
    pthread_t id;
    u64 done;         /* phases */
} Worker;

/* native_calls.py mirrors the fields up to `batches`. */
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
    u64 room, reserved, open[3];  /* rows; `open`: bytes */
    int fd[3];
    Worker *worker[THREADS];
    int threads;  /* that work now */
    void (*phase)(Worker *);   /* what they do, or NULL: end; and how often they were told */
    u64 orders;
    pthread_mutex_t crew;
    pthread_cond_t news;
    u64 turn, begin, end;
    u64 widest;   /* most successors of 64 states */
    u64 steps, questions, counts;   /* `counts`: whether edges are counted */
    u32 *slot;                      /* the index of compiled.c */
    u64 slots, most;
    int bits;
    struct Shared *shared;          /* whatever the index and the steps need */
};

static const u64 SIZE[3] = {8 * WORDS, 4, 2};

/* -- what stands below -------------------------------------------------------------------------- */
static int new_own(Worker *k);
static void free_own(Worker *k);
static void free_shared(Search *s);
static u64 index_bytes(const Search *s);
/* Ask the questions of up to 64 rows. */
static int ask_rows(Worker *k, u64 row, u64 n);
/* Put the successors of up to 64 rows into the empty buffer. Rows up to before `end` will follow. */
static int expand_rows(Worker *k, u64 row, u64 n, u64 end);
/* Add what the buffer holds and is new. */
static int insert(Worker *k);
/* Count the edges of the rows just expanded. */
static void count_edges(Worker *k, u64 row, u64 n);
/* Make the index of all rows. */
static int index_rows(Search *s);
/* Expand the rows from `next` to before `end` in several threads; 0 if that is not possible. */
static int batch(Search *s, u64 end);

/* -- rows --------------------------------------------------------------------------------------- */
/* Bytes held in memory; arrays in files are not counted. */
u64 search_bytes(const Search *s)
{
    u64 out = index_bytes(s);
    for (int k = 0; k < 3; k++)
        if (s->fd[k] < 0)
            out += s->count * SIZE[k];
    for (int t = 0; t < THREADS; t++)
        out += s->worker[t] ? s->worker[t]->bytes : 0;
    return out;
}

/* Add a row for which there is room. */
static inline void append(Search *s, const Next *x, u64 row)
{
    memcpy(s->words + row * WORDS, x->w, sizeof x->w);
    s->parent[row] = x->parent;
    s->via[row] = x->via;
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

/* Bytes in whole huge pages. */
static inline u64 whole(u64 bytes)
{
    return (bytes + HUGE - 1) / HUGE * HUGE;
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
            u64 open = whole(room * SIZE[k]);
            if (open > s->open[k]
                && mprotect((char *)base[k] + s->open[k], open - s->open[k],
                            PROT_READ | PROT_WRITE))
                return NO_MEMORY;
            s->open[k] = open;
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

/* -- threads ------------------------------------------------------------------------------------ */
/* Wait until `*turn` is not `old`: without sleeping at first, since the others are nearly done. */
static void await(Search *s, const u64 *turn, u64 old)
{
    for (int i = 0; i < SPIN; i++)
        if (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != old)
            return;
    pthread_mutex_lock(&s->crew);
    while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) == old)
        pthread_cond_wait(&s->news, &s->crew);
    pthread_mutex_unlock(&s->crew);
}

static void tell(Search *s, u64 *turn)
{
    pthread_mutex_lock(&s->crew);
    __atomic_add_fetch(turn, 1, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&s->news);
    pthread_mutex_unlock(&s->crew);
}

static void *serve(void *worker)
{
    Worker *k = worker;
    Search *s = k->s;
    for (u64 order = 0;; order++) {
        await(s, &s->orders, order);
        if (!s->phase)
            return NULL;
        s->phase(k);
        tell(s, &k->done);
    }
}

/* Run `phase` once for each worker. */
static void together(Search *s, void (*phase)(Worker *))
{
    s->turn = 0;
    s->phase = phase;
    u64 done = s->orders;
    if (s->threads > 1)
        tell(s, &s->orders);
    phase(s->worker[0]);
    for (int t = 1; t < s->threads; t++)
        await(s, &s->worker[t]->done, done);
}

/* -- questions and steps ------------------------------------------------------------------------ */
/* Bits of 64 rows, turned: bit i of plane k of word w is bit k of word w of row i. */
static void turn(const u64 *rows, u64 words, u64 n, u64 *p)
{
    for (u64 w = 0; w < words; w++, p += 64) {
        for (u64 i = 0; i < 64; i++)
            p[i] = i < n ? rows[i * words + w] : 0;
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

static void free_worker(Worker *k)
{
    if (!k)
        return;
    free_own(k);
    free(k->buffer);
    free(k->seen);
    free(k);
}

static Worker *new_worker(Search *s)
{
    Worker *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->s = s;
    k->buffer = malloc((s->widest + 1) * sizeof(Next));
    k->seen = malloc((s->questions + 1) * sizeof(u64));
    if (!k->buffer || !k->seen || new_own(k)) {
        free_worker(k);
        return NULL;
    }
    for (u64 i = 0; i < s->questions; i++)
        k->seen[i] = NEVER;
    return k;
}

/* Begin `threads` threads, or as many as there is memory for: until `dismiss`. */
static void employ(Search *s, int threads)
{
    pthread_attr_t how;
    sigset_t all, before;
    s->threads = 1;
    s->orders = 0;
    if (threads < 2 || pthread_attr_init(&how))
        return;
    /* Signals are for the thread that called. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_setstacksize(&how, STACK);
    for (; s->threads < threads && s->threads < THREADS; s->threads++) {
        int t = s->threads;
        if (!s->worker[t] && !(s->worker[t] = new_worker(s)))
            break;
        s->worker[t]->done = 0;
        if (pthread_create(&s->worker[t]->id, &how, serve, s->worker[t]))
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
}

static void dismiss(Search *s)
{
    s->phase = NULL;
    if (s->threads > 1)
        tell(s, &s->orders);
    for (; s->threads > 1; s->threads--)
        pthread_join(s->worker[s->threads - 1]->id, NULL);
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
    u64 t = (u64)number_of(k), threads = (u64)s->threads, rows = s->end - s->begin;
    u64 row = s->begin + rows * t / threads, end = s->begin + rows * (t + 1) / threads;
    k->failed = DONE;
    for (; row < end && !k->failed; row += BLOCK)
        k->failed = ask_rows(k, row, end - row < BLOCK ? end - row : BLOCK);
}

/* Ask the questions of the rows from `begin` to before `end`. */
int search_ask(Search *s, u64 begin, u64 end, int threads)
{
    int code = DONE;
    employ(s, end - begin < TOGETHER ? 1 : threads);
    s->begin = begin;
    s->end = end;
    together(s, ask_own);
    for (int t = 0; t < s->threads; t++) {
        if (s->worker[t]->failed)
            code = s->worker[t]->failed;
        for (u64 i = 0; i < s->questions; i++)
            if (s->worker[t]->seen[i] < s->seen[i])
                s->seen[i] = s->worker[t]->seen[i];
    }
    dismiss(s);
    return code;
}

static int expand_until(Search *s, u64 end)
{
    u64 alone = 0;
    Worker *k = s->worker[0];
    while (s->next < end) {
        if (s->threads > 1 && s->next >= alone && end - s->next >= TOGETHER) {
            u64 rows = (u64)s->threads * PARTS * PART;
            alone = end - s->next < rows ? end : s->next + rows;
            if (batch(s, alone))
                continue;
        }
        u64 n = end - s->next < BLOCK ? end - s->next : BLOCK;
        k->filled = 0;
        int code = expand_rows(k, s->next, n, end);
        if (code || (code = insert(k)))
            return code;
        if (s->counts)
            count_edges(k, s->next, n);
        s->next += n;
    }
    return DONE;
}

/* Expand up to `most` rows before row `end`, in whole blocks, so that the order of the rows does not
 * depend on `most`. A block that was not done to its end is expanded again. */
int search_expand(Search *s, u64 end, u64 most, int threads)
{
    most = (most + BLOCK - 1) / BLOCK * BLOCK;
    if (end - s->next > most)
        end = s->next + most;
    employ(s, end - s->next < TOGETHER ? 1 : threads);
    int code = expand_until(s, end);
    dismiss(s);
    return code;
}

/* Add one initial state. */
int search_begin(Search *s, const u64 *w)
{
    Worker *k = s->worker[0];
    memcpy(k->buffer->w, w, sizeof k->buffer->w);
    k->buffer->parent = 0;
    k->buffer->via = k->buffer->order = 0;
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

/* The index of the first `rows` rows, which the caller has written. */
int search_restore(Search *s, u64 rows)
{
    if (rows > s->room)
        return NO_MEMORY;
    s->count = rows;
    return index_rows(s);
}

void search_free(Search *s)
{
    if (!s)
        return;
    void *base[3] = {s->words, s->parent, s->via};
    for (int k = 0; k < 3; k++)
        if (base[k])
            munmap(base[k], whole(s->reserved * SIZE[k]));
    for (int t = 0; t < THREADS; t++)
        free_worker(s->worker[t]);
    free_shared(s);
    pthread_mutex_destroy(&s->crew);
    pthread_cond_destroy(&s->news);
    free(s->seen);
    free(s->edges);
    free(s);
}

/* A search with room for `most` rows, and no worker. `fd` are files for words, parents and steps, or
 * -1. */
static Search *made(u64 most, const int *fd, u64 widest, u64 steps, u64 questions)
{
    Search *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->widest = widest;
    s->steps = steps;
    s->questions = questions;
    s->limit = most;
    s->memory = NEVER;
    s->seen = malloc((s->questions + 1) * sizeof(u64));
    s->edges = calloc(s->steps + 1, sizeof(u64));
    s->threads = 1;
    pthread_mutex_init(&s->crew, NULL);
    pthread_cond_init(&s->news, NULL);
    if (!s->seen || !s->edges) {
        search_free(s);
        return NULL;
    }
    for (u64 k = 0; k < s->questions; k++)
        s->seen[k] = NEVER;
    memcpy(s->fd, fd, sizeof s->fd);
    /* Under a limit of the address space the reservation shrinks until it is granted. */
    s->reserved = most / CHUNK * CHUNK + CHUNK;
    for (; s->reserved; s->reserved = s->reserved / 2 / CHUNK * CHUNK) {
        void *base[3];
        int k = 0;
        for (; k < 3; k++) {
            u64 size = whole(s->reserved * SIZE[k]);
            char *at = mmap(NULL, size + HUGE, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (at == MAP_FAILED)
                break;
            u64 before = whole((u64)at) - (u64)at;
            if (before)
                munmap(at, before);
            munmap(at + before + size, HUGE - before);
            base[k] = at + before;
#ifdef MADV_HUGEPAGE
            madvise(base[k], size, MADV_HUGEPAGE);
#endif
        }
        if (k == 3) {
            s->words = base[0];
            s->parent = base[1];
            s->via = base[2];
            return s;
        }
        while (k--)
            munmap(base[k], whole(s->reserved * SIZE[k]));
    }
    search_free(s);
    return NULL;
}

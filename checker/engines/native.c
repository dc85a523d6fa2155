/* The part of the native engine that is the same for every system; native_source.py writes the
 * rest.
 *
 * Defined before this text: WORDS (64-bit words a state), WIDEST (most successors of 64 states),
 * STEPS, QUESTIONS, EDGES (0 or 1: count edges). `ask_block` and `expand_block` stand below it.
 *
 * States are rows of one growing array in order of discovery. The index is an open-addressing table
 * of 32-bit slots: 0 is free, else the low `bits` bits are a row plus one and the rest are bits of
 * the hash. These only save look-ups: a state is the same if all its words are, never before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

typedef struct {
    u64 w[WORDS];
    u64 hash;
    u64 slot;
    u32 parent;
    u16 via;
} Next;

/* native.py mirrors the fields up to `edges`. */
typedef struct {
    u64 *words;   /* row-major, WORDS a row */
    u32 *parent;  /* row it was first reached from */
    u16 *via;     /* by which step */
    u64 count;    /* rows found */
    u64 next;     /* first row not expanded */
    u64 limit;    /* rows to find at most */
    u64 memory;   /* bytes to hold at most */
    u64 *seen;    /* by question: the first row where it holds, or NEVER */
    u64 *edges;   /* by step */
    u32 *slot;
    u64 slots, most, room, reserved, filled;
    int bits, fd[3];
    Next *buffer;
} Search;

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
    s->most = slots - slots / 5;
    if (s->most > 0xFFFFFFFFull)
        s->most = 0xFFFFFFFFull;
    s->bits = 64 - __builtin_clzll(s->most);
    enum { AHEAD = 32 };
    u64 hash[AHEAD];
    for (u64 i = 0; i < s->count + AHEAD; i++) {
        if (i >= AHEAD) {
            u64 h = hash[i % AHEAD], at = home(s, h);
            while (s->slot[at])
                if (++at == slots)
                    at = 0;
            s->slot[at] = tag(s, h) | (u32)(i - AHEAD + 1);
        }
        if (i < s->count) {
            u64 h = hash[i % AHEAD] = hash_of(s->words + i * WORDS);
            __builtin_prefetch(&s->slot[home(s, h)], 1);
        }
    }
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
static int insert(Search *s)
{
    Next *b = s->buffer;
    u64 n = s->filled, ahead = 12;
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
static __attribute__((noinline)) void take(Search *s, const u64 *from, u64 row, u16 via)
{
    Next *x = &s->buffer[s->filled];
    if (!EDGES && equal(x->w, from))
        return;
    x->hash = hash_of(x->w);
    x->parent = (u32)row;
    x->via = via;
    __builtin_prefetch(&s->slot[home(s, x->hash)], 1);
    s->filled++;
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

static inline void note(Search *s, int question, u64 row, u64 hits)
{
    if (hits && s->seen[question] == NEVER)
        s->seen[question] = row + (u64)__builtin_ctzll(hits);
}

static void ask_block(Search *s, u64 row, const u64 *p, u64 valid);
static void expand_block(Search *s, u64 row, const u64 *p, u64 valid);

/* Ask the questions of the rows from `begin` to before `end`. */
void search_ask(Search *s, u64 begin, u64 end)
{
    u64 p[64 * WORDS];
    for (; begin < end; begin += BLOCK) {
        u64 n = end - begin < BLOCK ? end - begin : BLOCK;
        planes(s->words + begin * WORDS, n, p);
        ask_block(s, begin, p, n == 64 ? ~0ull : (1ull << n) - 1);
    }
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
    qsort(s->buffer, s->filled, sizeof(Next), order);
    for (u64 i = 0; i < s->filled; i++)
        if (!i || order(&s->buffer[i - 1], &s->buffer[i]))
            s->edges[s->buffer[i].via]++;
}
#endif

/* Expand up to `most` rows before row `end`, in whole blocks, so that the order of the rows does not
 * depend on `most`. A block that was not done to its end is expanded again. */
int search_expand(Search *s, u64 end, u64 most)
{
    u64 p[64 * WORDS];
    most = (most + BLOCK - 1) / BLOCK * BLOCK;
    if (end - s->next > most)
        end = s->next + most;
    while (s->next < end) {
        u64 n = end - s->next < BLOCK ? end - s->next : BLOCK;
        planes(s->words + s->next * WORDS, n, p);
        s->filled = 0;
        expand_block(s, s->next, p, n == 64 ? ~0ull : (1ull << n) - 1);
        int code = insert(s);
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
    memcpy(s->buffer->w, w, sizeof s->buffer->w);
    s->buffer->hash = hash_of(w);
    s->buffer->parent = 0;
    s->buffer->via = 0;
    s->filled = 1;
    return insert(s);
}

/* Room for `rows` rows that the caller then writes. */
int search_room(Search *s, u64 rows)
{
    return extend(s, rows);
}

/* The table over the first `rows` rows, which the caller has written. */
int search_restore(Search *s, u64 rows)
{
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
    free(s->seen);
    free(s->edges);
    free(s->buffer);
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
    s->buffer = malloc((WIDEST + 1) * sizeof(Next));
    if (!s->seen || !s->edges || !s->buffer) {
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

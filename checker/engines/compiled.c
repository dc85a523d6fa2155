/* The index of states that are words, and what compiled steps call: used by one thread.
 *
 * The index is an open-addressing table of 32-bit slots: 0 is free, else the low `bits` bits are a row
 * plus one and the rest are bits of the hash. These only save look-ups: a state is the same if all its
 * words are, never before.
 *
 * Defined before: WIDEST (most successors of 64 states), STEPS, QUESTIONS.
 */
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
    for (u64 row = 0; row < s->count; row++) {
        if (row + AHEAD < s->count)
            __builtin_prefetch(&s->slot[home(s, hash_of(s->words + (row + AHEAD) * WORDS))], 1);
        fill_one(s, row);
    }
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

/* The slot where the search for a hash ends or may end: a free one, or one with its tag. */
static inline u64 look(const Search *s, u64 hash, u64 at)
{
    u32 want = tag(s, hash), low = (u32)((1ull << s->bits) - 1);
    for (;;) {
        u32 v = s->slot[at];
        if (!v || (v & ~low) == want)
            return at;
        if (++at == s->slots)
            at = 0;
    }
}

static int insert(Worker *k)
{
    Search *s = k->s;
    Next *b = k->buffer;
    u64 n = k->filled, hash[AHEAD], slot[AHEAD];
    int code = DONE;
    if (s->count + n > s->most && (code = rehash(s, s->count + n)))
        return code;
    u64 rows = s->count + n < s->limit ? s->count + n : s->limit;
    if ((code = extend(s, rows)))
        return code;
    u32 low = (u32)((1ull << s->bits) - 1);
    for (u64 i = 0; i < n + AHEAD; i++) {
        if (i >= AHEAD) {
            const Next *x = &b[i - AHEAD];
            u64 h = hash[i % AHEAD], at = slot[i % AHEAD];
            for (;;) {
                at = look(s, h, at);
                u32 v = s->slot[at];
                if (!v) {
                    if (s->count >= s->limit)
                        return LIMIT;
                    s->slot[at] = tag(s, h) | (u32)(s->count + 1);
                    append(s, x, s->count++);
                    break;
                }
                if (equal(s->words + (u64)((v & low) - 1) * WORDS, x->w))
                    break;
                if (++at == s->slots)
                    at = 0;
            }
        }
        if (i < n) {
            u64 h = hash[i % AHEAD] = hash_of(b[i].w);
            u64 at = slot[i % AHEAD] = look(s, h, home(s, h));
            if (s->slot[at])
                __builtin_prefetch(s->words + (u64)((s->slot[at] & low) - 1) * WORDS);
        }
    }
    return DONE;
}

static int index_rows(Search *s)
{
    return rehash(s, s->count + 1);
}

static u64 index_bytes(const Search *s)
{
    return s->slots * 4;
}

/* Take the successor being built at the end of the buffer. Inlined hundreds of times it would only
 * make the compiler slow. */
static __attribute__((noinline)) void take(Worker *k, const u64 *from, u64 row, u16 via)
{
    const Search *s = k->s;
    Next *x = &k->buffer[k->filled];
    if (equal(x->w, from))
        return;
    x->parent = (u32)row;
    x->via = via;
    __builtin_prefetch(&s->slot[home(s, hash_of(x->w))], 1);
    k->filled++;
}

static void planes(const u64 *rows, u64 n, u64 *p)
{
    turn(rows, WORDS, n, p);
}

static inline void note(Worker *k, int question, u64 row, u64 hits)
{
    if (hits && k->seen[question] == NEVER)
        k->seen[question] = row + (u64)__builtin_ctzll(hits);
}

static void ask_block(Worker *k, u64 row, const u64 *p, u64 valid);
static void expand_block(Worker *k, u64 row, const u64 *p, u64 valid);

static int ask_rows(Worker *k, u64 row, u64 n)
{
    u64 p[64 * WORDS];
    planes(k->s->words + row * WORDS, n, p);
    ask_block(k, row, p, n == 64 ? ~0ull : (1ull << n) - 1);
    return DONE;
}

static int expand_rows(Worker *k, u64 row, u64 n, u64 end)
{
    u64 p[64 * WORDS];
    planes(k->s->words + row * WORDS, n, p);
    expand_block(k, row, p, n == 64 ? ~0ull : (1ull << n) - 1);
    return DONE;
}

static int new_own(Worker *k)
{
    return DONE;
}

static void free_own(Worker *k)
{
}

static void free_shared(Search *s)
{
    if (s->slot)
        munmap(s->slot, s->slots * 4);
}

static int batch(Search *s, u64 end)
{
    return 0;
}

static void count_edges(Worker *k, u64 row, u64 n)
{
}

/* A search with room for `most` rows. `fd` are files for words, parents and steps, or -1. */
Search *search_new(u64 most, const int *fd)
{
    Search *s = made(most, fd, WIDEST, STEPS, QUESTIONS);
    if (s && !(s->worker[0] = new_worker(s))) {
        search_free(s);
        return NULL;
    }
    return s;
}

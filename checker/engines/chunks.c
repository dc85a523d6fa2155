/* The index of known states, and the batches of several threads: second part of three.
 *
 * Known states are bits: a chunk holds those states that differ only in the low bits of the first
 * component's local. Since most combinations of locals that occur at all occur all, some forty of the
 * sixty-four are set, and the index of millions of states fits the caches. Chunks stand in
 * open-addressing tables, the shards.
 */
static inline u64 place(u64 state)
{
    u64 h = (state >> 6) * 0x9E3779B97F4A7C15ull;
    return MIX(h);
}

static inline Shard *shard(Search *s, u64 h)
{
    return &s->shared->shard[h >> 60];
}

/* The chunk of a state, or the free one where it would stand. */
static inline Chunk *chunk(const Shard *d, u64 state, u64 h)
{
    u64 key = (state >> 6) + 1, at = (h >> 28) & d->mask;
    while (d->at[at].key != key && d->at[at].key)
        at = (at + 1) & d->mask;
    return &d->at[at];
}

static inline void fetch(Search *s, u64 state)
{
    u64 h = place(state);
    const Shard *d = shard(s, h);
    __builtin_prefetch(&d->at[(h >> 28) & d->mask], 1);
}

static u64 index_bytes(const Search *s)
{
    return s->shared->bytes + __atomic_load_n(&s->shared->chunks, __ATOMIC_RELAXED) * sizeof(Chunk);
}

static int widen(Search *s, Shard *d)
{
    u64 chunks = d->at ? 2 * (d->mask + 1) : 16;
    if (search_bytes(s) + chunks * sizeof(Chunk) > s->memory)
        return BUDGET;
    Shard new = {calloc(chunks, sizeof(Chunk)), chunks - 1, d->count};
    if (!new.at)
        return NO_MEMORY;
    for (u64 i = 0; d->at && i <= d->mask; i++)
        if (d->at[i].key) {
            u64 state = (d->at[i].key - 1) << 6;
            *chunk(&new, state, place(state)) = d->at[i];
        }
    __atomic_add_fetch(&s->shared->chunks, chunks - (d->at ? d->mask + 1 : 0), __ATOMIC_RELAXED);
    free(d->at);
    *d = new;
    return DONE;
}

/* Add a state: 1 if it is new, 0 if it is known; an error is negative. */
static inline int add(Search *s, u64 state)
{
    u64 h = place(state), bit = 1ull << (state & 63);
    Shard *d = shard(s, h);
    Chunk *c = chunk(d, state, h);
    if (c->bits & bit)
        return 0;
    if (!c->key) {
        if (2 * d->count >= d->mask) {
            int code = widen(s, d);
            if (code)
                return -code;
            c = chunk(d, state, h);
        }
        c->key = (state >> 6) + 1;
        d->count++;
    }
    c->bits |= bit;
    return 1;
}

static inline int known(Search *s, u64 state)
{
    u64 h = place(state);
    return chunk(shard(s, h), state, h)->bits >> (state & 63) & 1;
}

static int index_rows(Search *s)
{
    for (u64 row = 0; row < s->count; row++) {
        if (row + AHEAD < s->count)
            fetch(s, s->words[row + AHEAD]);
        int code = add(s, s->words[row]);
        if (code < 0)
            return -code;
    }
    return DONE;
}

static int insert(Worker *k)
{
    Search *s = k->s;
    u64 rows = s->count + k->filled < s->limit ? s->count + k->filled : s->limit;
    int code = extend(s, rows);
    for (const Next *x = k->buffer; !code && x < k->buffer + k->filled; x++) {
        if (s->count >= s->limit) {
            code = known(s, x->w[0]) ? DONE : LIMIT;
            continue;
        }
        code = add(s, x->w[0]);
        if (code > 0)
            append(s, x, s->count++);
        code = code < 0 ? -code : DONE;
    }
    return code;
}

/* -- a batch: one search in several threads ---------------------------------------------------
 *
 * 1. Parts of the batch are expanded. The index is only read.
 * 2. Each worker puts the successors that belong into its shards there, in the order in which one
 *    thread would.
 * 3. How many states of each part are new is known now, and so is the row of each.
 *
 * So rows, parents and steps are those of one thread. A batch that would meet a limit changes
 * nothing, and one thread expands it.
 */
static int owner_of(Search *s, u64 state)
{
    return (int)(shard(s, place(state)) - s->shared->shard) % s->threads;
}

static int share(Worker *k)
{
    Own *o = k->own;
    int code = grow(&o->owner, &o->space, o->owners + k->filled, 1, 0, &k->bytes);
    for (int t = 0; t < k->s->threads && !code; t++) {
        List *l = &o->list[t];
        code = grow(&l->at, &l->room, l->count + k->filled, sizeof(Next), 0, &k->bytes);
    }
    if (code)
        return code;
    for (const Next *x = k->buffer; x < k->buffer + k->filled; x++) {
        int t = owner_of(k->s, x->w[0]);
        List *l = &o->list[t];
        l->at[l->count] = *x;
        l->at[l->count++].order = 0;
        o->owner[o->owners++] = (uint8_t)t;
    }
    return DONE;
}

static void expand_some(Worker *k)
{
    Search *s = k->s;
    Own *o = k->own;
    k->failed = DONE;
    o->owners = 0;
    for (int t = 0; t < s->threads; t++)
        o->list[t].count = 0;
    for (;;) {
        u64 c = __atomic_fetch_add(&s->turn, 1, __ATOMIC_RELAXED);
        if (c >= s->shared->parts)
            return;
        Part *x = &s->shared->part[c];
        x->by = k;
        x->begin = o->owners;
        for (int t = 0; t < s->threads; t++)
            x->first[t] = o->list[t].count;
        u64 row = s->begin + c * PART, end = row + PART < s->end ? row + PART : s->end;
        for (; row < end && !k->failed; row += BLOCK) {
            k->failed = expand_rows(k, row, end - row < BLOCK ? end - row : BLOCK, end);
            if (!k->failed)
                k->failed = share(k);
        }
        x->count = o->owners - x->begin;
        for (int t = 0; t < s->threads; t++)
            x->length[t] = o->list[t].count - x->first[t];
    }
}

/* Add the states of the worker's shards; `order` says which are new. */
static void add_own(Worker *k)
{
    Search *s = k->s;
    int me = number_of(k);
    for (u64 c = 0; c < s->shared->parts; c++) {
        const Part *part = &s->shared->part[c];
        Next *x = part->by->own->list[me].at + part->first[me];
        u64 n = part->length[me], new = 0;
        for (u64 i = 0; i < n; i++) {
            if (i + AHEAD < n)
                fetch(s, x[i + AHEAD].w[0]);
            int code = add(s, x[i].w[0]);
            if (code < 0) {
                k->failed = -code;
                return;
            }
            x[i].order = (u16)code;
            new += (u64)code;
        }
        k->own->fresh[c] = new;
    }
}

static void drop_own(Worker *k)
{
    Search *s = k->s;
    for (int t = 0; t < s->threads; t++) {
        const List *l = &k->own->list[t];
        for (u64 i = 0; i < l->count; i++)
            if (l->at[i].order) {
                u64 h = place(l->at[i].w[0]);
                chunk(shard(s, h), l->at[i].w[0], h)->bits &= ~(1ull << (l->at[i].w[0] & 63));
            }
    }
}

static void settle_some(Worker *k)
{
    Search *s = k->s;
    for (;;) {
        u64 c = __atomic_fetch_add(&s->turn, 1, __ATOMIC_RELAXED);
        if (c >= s->shared->parts)
            return;
        const Part *part = &s->shared->part[c];
        const uint8_t *owner = part->by->own->owner + part->begin;
        const Next *from[THREADS];
        for (int t = 0; t < s->threads; t++)
            from[t] = part->by->own->list[t].at + part->first[t];
        u64 row = part->base;
        for (u64 i = 0; i < part->count; i++) {
            const Next *x = from[owner[i]]++;
            if (x->order)
                append(s, x, row++);
        }
    }
}

static int batch(Search *s, u64 end)
{
    u64 n = 0, count = s->count;
    int failed = 0;
    s->begin = s->next;
    s->end = end;
    s->shared->parts = (end - s->next + PART - 1) / PART;
    together(s, expand_some);
    for (int t = 0; t < s->threads; t++) {
        failed |= s->worker[t]->failed;
        n += s->worker[t]->own->owners;
    }
    if (failed || n > s->limit - s->count || extend(s, s->count + n))
        return 0;
    together(s, add_own);
    for (int t = 0; t < s->threads; t++)
        failed |= s->worker[t]->failed;
    if (failed) {
        /* Not together: bits of one chunk may be in the lists of two workers. */
        for (int t = 0; t < s->threads; t++)
            drop_own(s->worker[t]);
        return 0;
    }
    for (u64 c = 0; c < s->shared->parts; c++) {
        s->shared->part[c].base = count;
        for (int t = 0; t < s->threads; t++)
            count += s->worker[t]->own->fresh[c];
    }
    together(s, settle_some);
    s->count = count;
    s->next = end;
    s->batches++;
    return 1;
}

/* Views of states: what stands below native.c for a search, first part of three.
 *
 * The variables of a state are divided among a few components, so that no step writes two of them
 * (see collapse.py). The values of a component's variables are its locals. They are numbered, and a
 * state is one word: the number of a local for each component. Where there are millions of states,
 * there are some thousand locals.
 *
 * What the steps of a component do depends on its local and on what they read of the others. That
 * is little, since a local rules out most steps. Locals whose steps read the same bits have one
 * sight. A view is a local and what its sight leaves of the others; it is written as a state, where
 * the other components have the first local found that looks so. Its successors are computed once,
 * 64 views at a time, by gates over bit planes. From then on they are looked up.
 *
 * Locals are shared, under a lock. All else belongs to one thread.
 */
typedef struct { u32 a, b; } Gate;
typedef struct { u32 literal, word, shift; } Bit;
typedef struct { u32 mask, via, first, bits, order; } Action;

/* The steps of a component, or the questions. A literal is twice the number of a value, plus one
 * for its complement. Value 0 is all ones, then come the planes of the words, then the gates. */
typedef struct {
    const Gate *gate;
    const Action *action;
    const Bit *bit;
    const u64 *words;   /* by action: the bits that it clears, that it sets, reads of the others */
    const u64 *own;     /* the bits of the component's variables */
    u64 gates, actions, shift, field;
} Component;

/* collapse.py mirrors these. */
struct System {
    const Component *component;   /* the last one is that of the questions */
    u64 components, words, actions, gates, steps, questions, mixed, edges;
};

#define NONE (~0u)
#define LANES 64
#define SHARDS 16
#define READY 1024ull   /* rows looked at together, so that views are computed together */

/* Different word vectors, by number. */
typedef struct {
    u64 *words;
    u32 *slot;
    u64 count, room, slots;
} Numbers;

/* States that are equal but for the lowest six bits. `key` is the rest plus one, or 0: free. */
typedef struct { u64 key, bits; } Chunk;

typedef struct {
    Chunk *at;
    u64 mask, count;
} Shard;

/* Some successors, in order. */
typedef struct {
    Next *at;
    u64 count, room;
} List;

/* A part of a batch: by whom it was expanded, and where that worker's lists hold it. */
typedef struct {
    Worker *by;
    u64 begin, count, base;
    u64 first[THREADS], length[THREADS];
} Part;

struct Shared {
    const struct System *system;
    Shard shard[SHARDS];
    Part part[PARTS * THREADS];
    u64 parts;
    u64 bytes;      /* of the locals */
    u64 chunks;     /* of all shards */
    pthread_mutex_t lock;
    Numbers local[];
};

/* The view of a local of another component: which local stands for it. */
typedef struct {
    u32 *first, *slot;
    u64 room, count, slots;
} Look;

typedef struct { u64 key; u32 at; } Entry;

/* What a thread has for one component. */
typedef struct {
    u32 *sight;      /* by local: the number of its sight, or NONE */
    u64 locals;
    Numbers sights;  /* the bits that each leaves */
    Look *look;      /* by sight and component */
    Entry *entry;    /* views: where their successors are in `list`, or NONE */
    u64 entries, count;
    u64 *list, used, room;
    u64 *maybe;      /* by local: which parts of questions may be true */
    uint8_t *weighed;
    u64 maybes;
} Table;

typedef struct { u32 lane, action; } Made;

typedef struct Own {
    u64 row, end;       /* the rows whose successors `at` names */
    u64 *open;          /* parts of questions that have no answer */
    u64 *key, *rows, *value, *zero, *states;
    u32 *at, *slot, *begin;
    Made *made;
    u64 mades;
    u32 *number;        /* by order of an action: how many successors of a block it made */
    u16 *orders;
    Next *sorted;
    /* Of a batch: */
    List list[THREADS];
    uint8_t *owner;     /* of the successors that it found, in order: whose shard each is in */
    u64 owners, space;
    u64 fresh[PARTS * THREADS];  /* by part: how many states of its shards are new */
    Table table[];
} Own;

static inline u32 field(const Component *c, u64 state)
{
    return (u32)(state >> c->shift & c->field);
}

static inline u64 word_hash(u64 h)
{
    h *= 0xBF58476D1CE4E5B9ull;
    h ^= h >> 32;
    return h * 0x94D049BB133111EBull;
}

static inline u64 view_hash(u64 key)
{
    return key * 0x9E3779B97F4A7C15ull >> 30;
}

static u64 words_hash(const u64 *w, const u64 *mask, u64 words)
{
    u64 h = 0;
    for (u64 i = 0; i < words; i++)
        h = word_hash((h ^ (h >> 29)) + (mask ? w[i] & mask[i] : w[i]) + i);
    return h ^ (h >> 32);
}

static int same(const u64 *a, const u64 *b, const u64 *mask, u64 words)
{
    for (u64 i = 0; i < words; i++)
        if ((a[i] ^ b[i]) & (mask ? mask[i] : ~0ull))
            return 0;
    return 1;
}

/* At least `need` elements, the new ones filled with the byte `fill`. */
static int grow(void *array, u64 *room, u64 need, u64 size, int fill, u64 *bytes)
{
    if (need <= *room)
        return DONE;
    u64 more = need + need / 2 + 64;
    char *at = realloc(*(void **)array, more * size);
    if (!at)
        return NO_MEMORY;
    memset(at + *room * size, fill, (more - *room) * size);
    *(void **)array = at;
    *bytes += (more - *room) * size;
    *room = more;
    return DONE;
}

/* The number of `w`, a new one if need be; NONE if there is no memory. */
static u32 number(Numbers *n, const u64 *w, u64 words, u64 *bytes)
{
    if (2 * n->count >= n->slots) {
        u64 slots = n->slots ? 2 * n->slots : 64;
        u32 *slot = calloc(slots, 4);
        if (!slot)
            return NONE;
        for (u32 i = 0; i < n->count; i++) {
            u64 at = words_hash(n->words + i * words, NULL, words) & (slots - 1);
            while (slot[at])
                at = (at + 1) & (slots - 1);
            slot[at] = i + 1;
        }
        free(n->slot);
        n->slot = slot;
        *bytes += (slots - n->slots) * 4;
        n->slots = slots;
    }
    u64 at = words_hash(w, NULL, words) & (n->slots - 1);
    for (; n->slot[at]; at = (at + 1) & (n->slots - 1))
        if (same(n->words + (n->slot[at] - 1) * words, w, NULL, words))
            return n->slot[at] - 1;
    if (grow(&n->words, &n->room, n->count + 1, 8 * words, 0, bytes))
        return NONE;
    memcpy(n->words + n->count * words, w, 8 * words);
    n->slot[at] = (u32)++n->count;
    return (u32)n->count - 1;
}

/* The local of component `c` in the words `w` of a whole state; under the lock. */
static int local(Search *s, u64 c, const u64 *w, u32 *out)
{
    const Component *x = &s->shared->system->component[c];
    u64 words = s->shared->system->words, mine[words];
    for (u64 i = 0; i < words; i++)
        mine[i] = w[i] & x->own[i];
    *out = number(&s->shared->local[c], mine, words, &s->shared->bytes);
    return *out == NONE ? NO_MEMORY : *out >= x->field ? NARROW : DONE;
}

/* The words of a state; under the lock. */
static void words_of(const Search *s, u64 state, u64 *w)
{
    u64 words = s->shared->system->words;
    memset(w, 0, 8 * words);
    for (u64 c = 0; c < s->shared->system->components; c++) {
        u32 me = field(&s->shared->system->component[c], state);
        const u64 *x = s->shared->local[c].words + me * words;
        for (u64 i = 0; i < words; i++)
            w[i] |= x[i];
    }
}

static inline u64 literal(const u64 *value, u32 x)
{
    return value[x >> 1] ^ -(u64)(x & 1);
}

/* The first local that looks as `y` of component `c` does through the bits of `mask`. */
static int look_at(Search *s, Worker *k, Look *l, u64 c, const u64 *mask, u32 y, u32 *out)
{
    u64 words = s->shared->system->words;
    int code = grow(&l->first, &l->room, y + 1, 4, 0xFF, &k->bytes);
    pthread_mutex_lock(&s->shared->lock);
    const u64 *of = s->shared->local[c].words, *w = of + y * words;
    if (!code && 2 * l->count >= l->slots) {
        u64 slots = l->slots ? 2 * l->slots : 16;
        u32 *slot = calloc(slots, 4);
        if (!slot)
            code = NO_MEMORY;
        else {
            for (u64 i = 0; i < l->slots; i++)
                if (l->slot[i]) {
                    u64 at = words_hash(of + (l->slot[i] - 1) * words, mask, words) & (slots - 1);
                    while (slot[at])
                        at = (at + 1) & (slots - 1);
                    slot[at] = l->slot[i];
                }
            free(l->slot);
            l->slot = slot;
            k->bytes += (slots - l->slots) * 4;
            l->slots = slots;
        }
    }
    if (!code) {
        u64 at = words_hash(w, mask, words) & (l->slots - 1);
        while (l->slot[at] && !same(of + (l->slot[at] - 1) * words, w, mask, words))
            at = (at + 1) & (l->slots - 1);
        if (!l->slot[at]) {
            l->slot[at] = y + 1;
            l->count++;
        }
        l->first[y] = *out = l->slot[at] - 1;
    }
    pthread_mutex_unlock(&s->shared->lock);
    return code;
}

/* Evaluate the gates of `x` for `n` locals of component `c`: whether each value can be one in a
 * state that has the local, and whether it can be zero. */
static void weigh(Worker *k, const Component *x, u64 c, const u32 *locals, u64 n)
{
    Search *s = k->s;
    Own *o = k->own;
    u64 words = s->shared->system->words, *one = o->value, *zero = o->zero;
    pthread_mutex_lock(&s->shared->lock);
    for (u64 i = 0; i < n; i++)
        memcpy(o->rows + i * words, s->shared->local[c].words + locals[i] * words, 8 * words);
    pthread_mutex_unlock(&s->shared->lock);
    turn(o->rows, words, n, one + 1);
    one[0] = ~0ull;
    zero[0] = 0;
    for (u64 b = 0; b < 64 * words; b++) {
        u64 known = -(s->shared->system->component[c].own[b / 64] >> b % 64 & 1);
        zero[1 + b] = ~one[1 + b] | ~known;
        one[1 + b] |= ~known;
    }
    u64 *ones = one + 1 + 64 * words, *zeros = zero + 1 + 64 * words;
    for (u64 i = 0; i < x->gates; i++) {
        Gate g = x->gate[i];
        ones[i] = (g.a & 1 ? zero : one)[g.a >> 1] & (g.b & 1 ? zero : one)[g.b >> 1];
        zeros[i] = (g.a & 1 ? one : zero)[g.a >> 1] | (g.b & 1 ? one : zero)[g.b >> 1];
    }
}

/* In which of the `n` locals weighed the action is possible. */
static inline u64 possible(const Own *o, const Action *a, u64 n)
{
    return (a->mask & 1 ? o->zero : o->value)[a->mask >> 1] & (n == 64 ? ~0ull : (1ull << n) - 1);
}

/* Find the sights of `n` locals: the bits of others that a step may read which some values of these
 * would make possible. */
static int see(Worker *k, u64 f, const u32 *locals, u64 n)
{
    Search *s = k->s;
    Own *o = k->own;
    Table *t = &o->table[f];
    const Component *x = &s->shared->system->component[f];
    u64 words = s->shared->system->words, others = s->shared->system->components;
    u64 left[LANES * words];
    weigh(k, x, f, locals, n);
    memset(left, 0, sizeof left);
    for (u64 a = 0; a < x->actions; a++) {
        for (u64 m = possible(o, &x->action[a], n); m; m &= m - 1)
            for (u64 w = 0; w < words; w++)
                left[(u64)__builtin_ctzll(m) * words + w] |= x->words[(3 * a + 2) * words + w];
    }
    for (u64 i = 0; i < n; i++) {
        u64 before = t->sights.count * others;
        u32 sight = number(&t->sights, left + i * words, words, &k->bytes);
        if (sight == NONE)
            return NO_MEMORY;
        if (t->sights.count * others > before) {
            Look *at = realloc(t->look, t->sights.count * others * sizeof(Look));
            if (!at)
                return NO_MEMORY;
            memset(at + before, 0, others * sizeof(Look));
            t->look = at;
        }
        t->sight[locals[i]] = sight;
    }
    return DONE;
}

/* Compute `n` views whose entries stand in `o->slot`. */
static int compute(Worker *k, u64 f, u64 n)
{
    Search *s = k->s;
    Own *o = k->own;
    Table *t = &o->table[f];
    const Component *x = &s->shared->system->component[f];
    u64 words = s->shared->system->words, made = 0, total = 0;
    u64 valid = n == 64 ? ~0ull : (1ull << n) - 1;
    u64 *value = o->value;
    int code = DONE;
    pthread_mutex_lock(&s->shared->lock);
    for (u64 i = 0; i < n; i++)
        words_of(s, t->entry[o->slot[i]].key, o->rows + i * words);
    pthread_mutex_unlock(&s->shared->lock);
    turn(o->rows, words, n, value + 1);
    value[0] = ~0ull;
    u64 *out = value + 1 + 64 * words;
    for (u64 i = 0; i < x->gates; i++)
        out[i] = literal(value, x->gate[i].a) & literal(value, x->gate[i].b);
    for (u64 a = 0; a < x->actions; a++)
        total += (u64)__builtin_popcountll(literal(value, x->action[a].mask) & valid);
    u64 room = o->mades;
    if (grow(&o->made, &room, total, sizeof(Made), 0, &k->bytes))
        return NO_MEMORY;
    if (room > o->mades) {
        u64 *at = realloc(o->states, room * 8 * words);
        if (!at)
            return NO_MEMORY;
        o->states = at;
        k->bytes += (room - o->mades) * 8 * words;
        o->mades = room;
    }
    memset(o->begin, 0, sizeof(u32) * (LANES + 1));
    for (u64 a = 0; a < x->actions; a++) {
        const Action *y = &x->action[a];
        const u64 *clear = x->words + 3 * a * words, *put = clear + words;
        for (u64 m = literal(value, y->mask) & valid; m; m &= m - 1) {
            u64 lane = (u64)__builtin_ctzll(m), *to = o->states + made * words;
            for (u64 w = 0; w < words; w++)
                to[w] = (o->rows[lane * words + w] & ~clear[w]) | put[w];
            for (const Bit *b = x->bit + y->first; b < x->bit + y->first + y->bits; b++)
                to[b->word] |= (literal(value, b->literal) >> lane & 1) << b->shift;
            o->made[made++] = (Made){(u32)lane, (u32)a};
            o->begin[lane + 1]++;
        }
    }
    if (grow(&t->list, &t->room, t->used + total + n, 8, 0, &k->bytes))
        return NO_MEMORY;
    for (u64 i = 0; i < n; i++) {
        t->entry[o->slot[i]].at = (u32)t->used;
        t->list[t->used] = 0;
        o->begin[i] = (u32)t->used;
        t->used += 1 + o->begin[i + 1];
    }
    if (t->used >= NONE)
        return NO_MEMORY;
    pthread_mutex_lock(&s->shared->lock);
    for (u64 i = 0; i < made && !code; i++) {
        const Action *y = &x->action[o->made[i].action];
        u64 *list = t->list + o->begin[o->made[i].lane], known = 0;
        u32 found = NONE, before = field(x, t->entry[o->slot[o->made[i].lane]].key);
        code = local(s, f, o->states + i * words, &found);
        u64 new = (u64)y->order << 48 | (u64)y->via << 32 | found;
        if (s->shared->system->edges)
            for (u64 j = 1; j <= list[0]; j++)
                known |= !((list[j] ^ new) << 16);
        else
            for (u64 j = 1; j <= list[0]; j++)
                known |= (u32)list[j] == found;
        if (!known && (s->shared->system->edges || found != before))
            list[++list[0]] = new;
    }
    pthread_mutex_unlock(&s->shared->lock);
    /* Lists became shorter. */
    u64 used = n ? o->begin[0] : 0;
    for (u64 i = 0; i < n; i++) {
        const u64 *list = t->list + o->begin[i];
        t->entry[o->slot[i]].at = (u32)used;
        memmove(t->list + used, list, 8 * (list[0] + 1));
        used += t->list[used] + 1;
    }
    t->used = used;
    return code;
}

static int enlarge(Worker *k, Table *t)
{
    u64 entries = t->entries ? 2 * t->entries : 256;
    Entry *entry = malloc(entries * sizeof(Entry));
    if (!entry)
        return NO_MEMORY;
    memset(entry, 0xFF, entries * sizeof(Entry));
    for (u64 i = 0; i < t->entries; i++)
        if (t->entry[i].key != NEVER) {
            u64 at = view_hash(t->entry[i].key) & (entries - 1);
            while (entry[at].key != NEVER)
                at = (at + 1) & (entries - 1);
            entry[at] = t->entry[i];
        }
    free(t->entry);
    t->entry = entry;
    k->bytes += (entries - t->entries) * sizeof(Entry);
    t->entries = entries;
    return DONE;
}

/* Look the views of `n` rows up, and compute those that are new. `at` gets their successors. */
static int view(Worker *k, u64 f, u64 row, u64 n, u32 *at)
{
    Search *s = k->s;
    Own *o = k->own;
    Table *t = &o->table[f];
    const struct System *y = s->shared->system;
    const Component *x = &y->component[f];
    const u64 *state = s->words + row;
    u32 locals[LANES];
    u64 new = 0;
    int code;
    if (y->components == 1 && t->entry) {
        /* No view comes twice. */
        memset(t->entry, 0xFF, t->entries * sizeof(Entry));
        t->count = t->used = 0;
    }
    for (u64 i = 0; i < n; i++) {
        u32 me = field(x, state[i]);
        if (me >= t->locals && (code = grow(&t->sight, &t->locals, me + 1, 4, 0xFF, &k->bytes)))
            return code;
        if (t->sight[me] != NONE)
            continue;
        t->sight[me] = 0;
        locals[new++] = me;
        if (new == LANES) {
            if ((code = see(k, f, locals, new)))
                return code;
            new = 0;
        }
    }
    if (new && (code = see(k, f, locals, new)))
        return code;
    while (2 * (t->count + n) > t->entries)
        if ((code = enlarge(k, t)))
            return code;
    u64 mask = t->entries - 1, *keys = o->key;
    const Entry *entry = t->entry;
    for (u64 i = 0; i < n; i++) {
        at[i] = t->sight[field(x, state[i])] * (u32)y->components;
        keys[i] = state[i] & x->field << x->shift;
    }
    for (u64 c = 0; c < y->components; c++) {
        const Component z = y->component[c];
        const Look *look = t->look + c;
        if (z.shift == x->shift)
            continue;
        for (u64 i = 0; i < n; i++) {
            u32 other = field(&z, state[i]), first = NONE;
            if (other < look[at[i]].room)
                first = look[at[i]].first[other];
            if (first == NONE
                && (code = look_at(s, k, (Look *)look + at[i], c,
                                   t->sights.words + at[i] / y->components * y->words, other,
                                   &first)))
                return code;
            keys[i] |= (u64)first << z.shift;
        }
    }
    for (u64 i = 0; i < n; i++)
        __builtin_prefetch(&entry[view_hash(keys[i]) & mask]);
    new = 0;
    for (u64 i = 0; i < n; i++) {
        u64 key = o->key[i], e = view_hash(key) & mask;
        while (t->entry[e].key != key && t->entry[e].key != NEVER)
            e = (e + 1) & mask;
        if (t->entry[e].key == NEVER) {
            t->entry[e] = (Entry){key, NONE};
            t->count++;
            o->slot[new++] = (u32)e;
            if (new == LANES) {
                if ((code = compute(k, f, new)))
                    return code;
                new = 0;
            }
        }
        at[i] = (u32)e;
    }
    if (new && (code = compute(k, f, new)))
        return code;
    for (u64 i = 0; i < n; i++)
        at[i] = t->entry[at[i]].at;
    return DONE;
}

static int new_own(Worker *k)
{
    const struct System *y = k->s->shared->system;
    u64 functions = y->components, words = y->words, values = 1 + 64 * words + y->gates;
    Own *o = k->own = calloc(1, sizeof *o + functions * sizeof(Table));
    if (!o)
        return NO_MEMORY;
    o->key = malloc(READY * 8);
    o->rows = malloc(LANES * 8 * words);
    o->value = malloc(values * 8);
    o->zero = malloc(values * 8);
    o->slot = malloc(LANES * 4);
    o->begin = malloc((LANES + 1) * 4);
    o->at = malloc(READY * 4 * functions);
    o->number = calloc(y->actions + 1, 4);
    o->orders = malloc((y->actions + 1) * 2);
    o->sorted = malloc((64 * y->actions + 1) * sizeof(Next));
    o->open = malloc(8 * (y->mixed / 64 + 1));
    if (!o->key || !o->rows || !o->value || !o->zero || !o->slot || !o->begin || !o->at
        || !o->number || !o->orders || !o->sorted || !o->open)
        return NO_MEMORY;
    memset(o->open, 0xFF, 8 * (y->mixed / 64 + 1));
    return DONE;
}

static void free_own(Worker *k)
{
    Own *o = k->own;
    if (!o)
        return;
    for (int i = 0; i < THREADS; i++)
        free(o->list[i].at);
    const struct System *y = k->s->shared->system;
    for (u64 f = 0; f < y->components; f++) {
        Table *t = &o->table[f];
        for (u64 i = 0; t->look && i < t->sights.count * y->components; i++) {
            free(t->look[i].first);
            free(t->look[i].slot);
        }
        free(t->look);
        free(t->sight);
        free(t->sights.words);
        free(t->sights.slot);
        free(t->entry);
        free(t->list);
        free(t->maybe);
        free(t->weighed);
    }
    void *all[] = {o->key, o->rows, o->value, o->zero, o->slot, o->begin, o->at, o->number,
                   o->orders, o->sorted, o->made, o->states,
                   o->open, o->owner};
    for (u64 i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(o);
}

/* What was being computed is not there: forget the views. */
static void forget(Worker *k)
{
    const struct System *y = k->s->shared->system;
    for (u64 f = 0; k->own && f < y->components; f++) {
        Table *t = &k->own->table[f];
        if (t->entry)
            memset(t->entry, 0xFF, t->entries * sizeof(Entry));
        if (t->sight)
            memset(t->sight, 0xFF, t->locals * 4);
        t->count = t->used = 0;
        k->own->row = k->own->end = 0;
    }
}

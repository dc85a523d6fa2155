/* Questions and steps: third part of three. Questions are steps with no effect, in parts of which
 * each is the disjunction. What a part reads of one component only, a local decides when it is first
 * seen. Of the others, the mixed ones, each local leaves some open; a state is asked those that all
 * its locals leave open, which are mostly none.
 */
/* Weigh the questions for `n` locals of component `c` that are first seen in `rows`. What a local
 * decides alone is noted; which of the mixed parts it leaves open is kept. */
static void doubt(Worker *k, u64 c, const u32 *locals, const u64 *rows, u64 n)
{
    const struct System *y = k->s->shared->system;
    const Component *x = &y->component[y->components];
    Own *o = k->own;
    u64 width = y->mixed / 64 + 1;
    weigh(k, x, c, locals, n);
    for (u64 a = 0; a < y->mixed; a++)
        for (u64 m = possible(o, &x->action[a], n); m; m &= m - 1)
            o->table[c].maybe[locals[__builtin_ctzll(m)] * width + a / 64] |= 1ull << a % 64;
    for (u64 a = y->mixed; a < x->actions; a++) {
        u32 mask = x->action[a].mask;
        u64 m = possible(o, &x->action[a], n) & ~(mask & 1 ? o->value : o->zero)[mask >> 1];
        if (m && rows[__builtin_ctzll(m)] < k->seen[x->action[a].via])
            k->seen[x->action[a].via] = rows[__builtin_ctzll(m)];
    }
}

/* Ask the mixed parts of `n` rows, which `o->slot` names, the first one first. */
static void answer(Worker *k, u64 n)
{
    Search *s = k->s;
    Own *o = k->own;
    const struct System *y = s->shared->system;
    const Component *x = &y->component[y->components];
    u64 words = y->words, *value = o->value, valid = n == 64 ? ~0ull : (1ull << n) - 1;
    pthread_mutex_lock(&s->shared->lock);
    for (u64 i = 0; i < n; i++)
        words_of(s, s->words[o->slot[i]], o->rows + i * words);
    pthread_mutex_unlock(&s->shared->lock);
    turn(o->rows, words, n, value + 1);
    value[0] = ~0ull;
    for (u64 i = 0; i < x->gates; i++)
        value[1 + 64 * words + i] = literal(value, x->gate[i].a) & literal(value, x->gate[i].b);
    for (u64 a = 0; a < y->mixed; a++) {
        u64 m = literal(value, x->action[a].mask) & valid, *seen = &k->seen[x->action[a].via];
        if (m && o->slot[__builtin_ctzll(m)] < *seen)
            *seen = o->slot[__builtin_ctzll(m)];
    }
    for (u64 a = 0; a < y->mixed; a++)
        if (k->seen[x->action[a].via] != NEVER)
            o->open[a / 64] &= ~(1ull << a % 64);
}

static int ask_rows(Worker *k, u64 row, u64 n)
{
    Search *s = k->s;
    const struct System *y = s->shared->system;
    Own *o = k->own;
    int code;
    u64 width = y->mixed / 64 + 1, some = 0, rows[LANES];
    u32 locals[LANES];
    for (u64 c = 0; c < y->components; c++) {
        Table *t = &o->table[c];
        u64 new = 0;
        for (u64 i = 0; i < n; i++) {
            u32 me = field(&y->component[c], s->words[row + i]);
            u64 room = t->maybes;
            if (me >= room && ((code = grow(&t->maybe, &room, me + 1, 8 * width, 0, &k->bytes))
                               || (code = grow(&t->weighed, &t->maybes, me + 1, 1, 0, &k->bytes))))
                return code;
            locals[new] = me;
            rows[new] = row + i;
            new += !t->weighed[me];
            t->weighed[me] = 1;
        }
        if (new)
            doubt(k, c, locals, rows, new);
    }
    for (u64 i = 0; y->mixed && i < n; i++) {
        u64 any = 0;
        for (u64 w = 0; w < width; w++) {
            u64 maybe = o->open[w];
            for (u64 c = 0; c < y->components; c++)
                maybe &= o->table[c].maybe[field(&y->component[c], s->words[row + i]) * width + w];
            any |= maybe;
        }
        o->slot[some] = (u32)(row + i);
        some += any != 0;
    }
    if (some)
        answer(k, some);
    return DONE;
}

/* Put the buffer into the order of the actions, those of one action into that of the rows. */
static void sort(Worker *k)
{
    Own *o = k->own;
    Next *b = k->buffer;
    u64 n = k->filled, orders = 0;
    for (u64 i = 0; i < n; i++)
        if (!o->number[b[i].order]++) {
            u64 j = orders++;
            for (; j && o->orders[j - 1] > b[i].order; j--)
                o->orders[j] = o->orders[j - 1];
            o->orders[j] = b[i].order;
        }
    u32 at = 0;
    for (u64 j = 0; j < orders; j++) {
        u32 some = o->number[o->orders[j]];
        o->number[o->orders[j]] = at;
        at += some;
    }
    for (u64 i = 0; i < n; i++)
        o->sorted[o->number[b[i].order]++] = b[i];
    for (u64 j = 0; j < orders; j++)
        o->number[o->orders[j]] = 0;
    k->buffer = o->sorted;
    o->sorted = b;
}

static int expand_rows(Worker *k, u64 row, u64 n, u64 end)
{
    Search *s = k->s;
    const struct System *y = s->shared->system;
    int code;
    Own *o = k->own;
    if (row < o->row || row + n > o->end) {
        u64 ready = end - row < READY ? end - row : READY;
        for (u64 f = 0; f < y->components; f++)
            if ((code = view(k, f, row, ready, o->at + f * READY))) {
                forget(k);
                return code;
            }
        o->row = row;
        o->end = row + ready;
    }
    Next *x = k->buffer;
    for (u64 f = 0; f < y->components; f++) {
        const Component *c = &y->component[f];
        u64 others = ~(c->field << c->shift);
        for (u64 i = 0; i < n; i++) {
            const u64 *list = o->table[f].list + o->at[f * READY + row - o->row + i];
            u64 from = s->words[row + i] & others;
            for (u64 j = 1; j <= list[0]; j++, x++) {
                x->w[0] = from | (u64)(u32)list[j] << c->shift;
                x->parent = (u32)(row + i);
                x->via = (u16)(list[j] >> 32);
                x->order = (u16)(list[j] >> 48);
                fetch(s, x->w[0]);
            }
        }
    }
    const Next *last = x;
    u64 kept = 0;
    for (x = k->buffer; x < last; x++)
        if (!known(s, x->w[0]))
            k->buffer[kept++] = *x;
    k->filled = kept;
    sort(k);
    return DONE;
}

/* Equal steps to equal states count once. */
static void count_edges(Worker *k, u64 row, u64 n)
{
    Own *o = k->own;
    const struct System *y = k->s->shared->system;
    for (u64 f = 0; f < y->components; f++)
        for (u64 i = 0; i < n; i++) {
            const u64 *list = o->table[f].list + o->at[f * READY + row - o->row + i];
            for (u64 j = 1; j <= list[0]; j++)
                k->s->edges[(u16)(list[j] >> 32)]++;
        }
}

/* -- beginning and end -------------------------------------------------------------------------- */
static void free_shared(Search *s)
{
    if (!s->shared)
        return;
    for (u64 c = 0; c < s->shared->system->components; c++) {
        free(s->shared->local[c].words);
        free(s->shared->local[c].slot);
    }
    for (int i = 0; i < SHARDS; i++)
        free(s->shared->shard[i].at);
    pthread_mutex_destroy(&s->shared->lock);
    free(s->shared);
}

/* A search of a system, which stays where it is. */
Search *collapse_new(const struct System *system, u64 most, const int *fd)
{
    Search *s = made(most, fd, 64 * system->actions, system->steps, system->questions);
    if (!s)
        return NULL;
    s->counts = system->edges;
    s->shared = calloc(1, sizeof *s->shared + system->components * sizeof(Numbers));
    int failed = !s->shared;
    if (!failed) {
        s->shared->system = system;
        pthread_mutex_init(&s->shared->lock, NULL);
        for (int i = 0; i < SHARDS && !failed; i++)
            failed = widen(s, &s->shared->shard[i]);
    }
    if (failed || !(s->worker[0] = new_worker(s))) {
        search_free(s);
        return NULL;
    }
    return s;
}

static int collapsed(Search *s, const u64 *w, u64 *out)
{
    *out = 0;
    for (u64 c = 0; c < s->shared->system->components; c++) {
        u32 found;
        int code = local(s, c, w, &found);
        if (code)
            return code;
        *out |= (u64)found << s->shared->system->component[c].shift;
    }
    return DONE;
}

/* Add one initial state, given as words. */
int collapse_begin(Search *s, const u64 *w)
{
    u64 state;
    int code = collapsed(s, w, &state);
    return code ? code : search_begin(s, &state);
}

/* The words of the rows from `begin` to before `end`. */
void collapse_read(const Search *s, u64 begin, u64 end, u64 *w)
{
    for (u64 row = begin; row < end; row++, w += s->shared->system->words)
        words_of(s, s->words[row], w);
}

/* The other way: into rows for which there is room. */
int collapse_write(Search *s, u64 begin, u64 end, const u64 *w)
{
    int code = DONE;
    for (u64 row = begin; row < end && !code; row++, w += s->shared->system->words)
        code = collapsed(s, w, &s->words[row]);
    return code;
}

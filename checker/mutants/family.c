/* The steps of one mutant, interpreted, beside those of the sound system, which are compiled.
 *
 * It stands between native.c and the compiled steps. Step i of the sound system fires only where
 * on[i] is all ones. A mutant is a list of gates over the planes of 64 states and the actions that
 * read these gates; a literal is twice the number of a value, plus one for its complement. Value 0
 * is all ones, then come the planes, then the gates.
 */
typedef struct { u32 out, a, b; } Gate;
typedef struct { u32 literal, word, shift; } Bit;
typedef struct { u32 mask, via, first, bits; u64 clear[WORDS], put[WORDS]; } Action;

static u64 on[STEPS + 1];

static struct {
    const Gate *gate;
    const Action *action;
    const Bit *bit;
    u64 gates, actions, *value;
} mutant;

/* Take the gates and actions of a mutant, which the caller keeps, and the steps to fire; `values`
 * is the number of planes and gates of all mutants. */
int family_set(const Gate *gate, u64 gates, u64 values, const Action *action, u64 actions,
               const Bit *bit, const uint8_t *fires)
{
    u64 *at = realloc(mutant.value, values * sizeof(u64));
    if (!at)
        return NO_MEMORY;
    mutant.value = at;
    mutant.gate = gate;
    mutant.gates = gates;
    mutant.action = action;
    mutant.actions = actions;
    mutant.bit = bit;
    mutant.value[0] = ~0ull;
    for (int i = 0; i < STEPS; i++)
        on[i] = fires[i] ? ~0ull : 0;
    return DONE;
}

static inline u64 literal(u32 x)
{
    return mutant.value[x >> 1] ^ -(u64)(x & 1);
}

/* The planes of several blocks of 64 states side by side. */
#define LANES 8
typedef u64 Wide __attribute__((vector_size(8 * LANES)));

static inline Wide wide(const Wide *value, u32 x)
{
    return value[x >> 1] ^ -(u64)(x & 1);
}

static inline void masked(const u64 *row, const u64 *mask, u64 *to)
{
    for (int w = 0; w < WORDS; w++)
        to[w] = row[w] & mask[w];
}

/* The rows before `end` that are the first with their bits under `mask`, in order, in `found`, which
 * has room for `most`; their number, NEVER if they are more or there is no memory. */
u64 family_distinct(Search *s, u64 end, const u64 *mask, u32 *found, u64 most)
{
    u64 slots = 4, count = 0, word[WORDS], other[WORDS];
    while (slots < 2 * most)
        slots *= 2;
    u32 *slot = calloc(slots, sizeof(u32));
    for (u64 row = 0; slot && row < end; row++) {
        masked(s->words + row * WORDS, mask, word);
        u64 at = hash_of(word) & (slots - 1);
        for (; slot[at]; at = (at + 1) & (slots - 1)) {
            masked(s->words + found[slot[at] - 1] * (u64)WORDS, mask, other);
            if (!memcmp(word, other, sizeof word))
                break;
        }
        if (slot[at])
            continue;
        if (count == most) {
            free(slot);
            return NEVER;
        }
        found[count] = (u32)row;
        slot[at] = (u32)++count;
    }
    u64 out = slot ? count : NEVER;
    free(slot);
    return out;
}

/* For each literal the first row from `begin` to before `end` where it holds, or NEVER. With `some`
 * these are numbers of that list of rows. */
int family_first(Search *s, const u32 *some, u64 begin, u64 end, const Gate *gate, u64 gates,
                 u64 values, const u32 *asked, u64 count, u64 *first)
{
    Wide *value = aligned_alloc(sizeof(Wide), values * sizeof(Wide));
    u32 *left = malloc(count * sizeof(u32) + 1);
    if (!value || !left) {
        free(value);
        free(left);
        return NO_MEMORY;
    }
    for (u32 i = 0; i < count; i++) {
        first[i] = NEVER;
        left[i] = i;
    }
    value[0] = ~(Wide){0};
    for (u64 row = begin; row < end && count; row += LANES * BLOCK) {
        u64 plane[64 * WORDS], gathered[BLOCK * WORDS];
        Wide valid = {0};
        for (u64 k = 0, at = row; k < LANES && at < end; k++, at += BLOCK) {
            u64 n = end - at < BLOCK ? end - at : BLOCK;
            for (u64 j = 0; some && j < n; j++)
                memcpy(gathered + j * WORDS, s->words + some[at + j] * (u64)WORDS, 8 * WORDS);
            planes(some ? gathered : s->words + at * WORDS, n, plane);
            for (int i = 0; i < 64 * WORDS; i++)
                value[1 + i][k] = plane[i];
            valid[k] = n == 64 ? ~0ull : (1ull << n) - 1;
        }
        for (u64 i = 0; i < gates; i++)
            value[gate[i].out] = wide(value, gate[i].a) & wide(value, gate[i].b);
        for (u64 j = 0; j < count;) {
            Wide hits = wide(value, asked[left[j]]) & valid;
            int k = 0;
            while (k < LANES && !hits[k])
                k++;
            if (k == LANES) {
                j++;
                continue;
            }
            u64 at = row + (u64)k * BLOCK + (u64)__builtin_ctzll(hits[k]);
            first[left[j]] = some ? some[at] : at;
            left[j] = left[--count];
        }
    }
    free(value);
    free(left);
    return DONE;
}

static int act(Worker *k, u64 row, u64 valid)
{
    const u64 *rows = k->s->words + row * WORDS;
    int code;
    for (const Gate *g = mutant.gate; g < mutant.gate + mutant.gates; g++)
        mutant.value[g->out] = literal(g->a) & literal(g->b);
    for (u64 a = 0; a < mutant.actions; a++) {
        const Action *x = &mutant.action[a];
        if (k->filled + 64 > WIDEST) {
            if ((code = insert(k)))
                return code;
            k->filled = 0;
        }
        for (u64 m = literal(x->mask) & valid; m; m &= m - 1) {
            const u64 i = (u64)__builtin_ctzll(m), *f = rows + i * WORDS;
            u64 *to = k->buffer[k->filled].w;
            for (int w = 0; w < WORDS; w++)
                to[w] = (f[w] & ~x->clear[w]) | x->put[w];
            for (const Bit *b = mutant.bit + x->first; b < mutant.bit + x->first + x->bits; b++)
                to[b->word] |= ((literal(b->literal) >> i) & 1) << b->shift;
            take(k, f, row + i, (u16)x->via);
        }
    }
    return DONE;
}

/* Expand the rows from `begin` to before `end`: with `sound`, by the sound steps, too. */
int family_expand(Search *s, u64 begin, u64 end, int sound)
{
    Worker *k = s->worker[0];
    for (u64 row = begin; row < end; row += BLOCK) {
        u64 n = end - row < BLOCK ? end - row : BLOCK, valid = n == 64 ? ~0ull : (1ull << n) - 1;
        planes(s->words + row * WORDS, n, mutant.value + 1);
        k->filled = 0;
        if (sound)
            expand_block(k, row, mutant.value + 1, valid);
        int code = act(k, row, valid);
        if (code || (code = insert(k)))
            return code;
    }
    return DONE;
}

/* Forget what was seen, and ask the questions of the rows from `begin` to before `end`. */
void family_ask(Search *s, u64 begin, u64 end)
{
    for (int i = 0; i < QUESTIONS; i++)
        s->seen[i] = s->worker[0]->seen[i] = NEVER;
    search_ask(s, begin, end, 1);
}

/* Only the first `rows` rows again; the index had `slots` slots when there were no others. */
void family_back(Search *s, u64 rows, u64 slots)
{
    u32 low = (u32)((1ull << s->bits) - 1);
    if (s->slots != slots) {
        s->count = rows;
        memset(s->slot, 0, s->slots * 4);
        fill(s);
        return;
    }
    /* The last one first: no row before it was put beyond its slot. */
    for (; s->count > rows; s->count--) {
        u64 at = home(s, hash_of(s->words + (s->count - 1) * WORDS));
        while ((s->slot[at] & low) != s->count)
            if (++at == s->slots)
                at = 0;
        s->slot[at] = 0;
    }
}

u64 family_slots(const Search *s)
{
    return s->slots;
}

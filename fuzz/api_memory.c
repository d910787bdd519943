/* SPDX-License-Identifier: MIT */
/* The target api: allocating, freeing and pushing. */
#include "api_fuzz.h"

#include "api/api.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <errno.h>

/* Does the application own what begins at p? */
static bool owned(const void *p)
{
    for (int i = 0; i < OBJECTS; i++)
        if (objects[i].live && objects[i].sga.sga_buf == p)
            return true;
    return false;
}

/* A place whose object is dead and no push needs, or -1. */
static int free_place(void)
{
    for (int i = 0; i < OBJECTS; i++)
        if (!objects[i].live && objects[i].pushes == 0)
            return i;
    return -1;
}

/* A live object, or -1. */
static int pick_live(struct input *in)
{
    uint32_t first = next_below(in, OBJECTS);

    for (uint32_t k = 0; k < OBJECTS; k++)
        if (objects[(first + k) % OBJECTS].live)
            return (int)((first + k) % OBJECTS);
    return -1;
}

static void fill(struct object *o, uint32_t start, uint32_t len)
{
    o->content = content_of(start, len);
    memcpy(o->data, pattern + start, len);
}

static size_t pick_size(struct input *in)
{
    static const size_t sizes[] = {1, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 65536};
    uint32_t b = next_byte(in);

    if (b == 255)
        return (size_t[]){0, (size_t)sga_limit + 1, UINT32_MAX, SIZE_MAX}[next_below(in, 4)];
    if (b >= 224 && short_memory)
        return (size_t[]){524288, 524289, 1 << 20, 400000}[b % 4];
    if (b >= 200)
        return sizes[b % ARRAY_LEN(sizes)];
    return b >= 190 ? 1 + next_word(in) : 1 + b;
}

void call_alloc(struct input *in)
{
    size_t size = pick_size(in);
    bool is_sga = next_below(in, 4) != 0;
    int i = free_place();
    demi_sgarray_t sga = {.sga_buf = NULL};
    struct object *o;

    if (i < 0)
        return;
    o = &objects[i];
    if (is_sga)
        sga = demi_sgaalloc(size);
    else
        sga.sga_buf = demi_malloc(size);
    require(!is_sga || sga.sga_numsegs == (sga.sga_buf != NULL));
    if (sga.sga_buf == NULL) {
        require(!up || size == 0 || size > sga_limit || short_memory);
        require(demi_last_error()[0] != '\0');
        return;
    }
    require(up && size > 0 && size <= sga_limit && !owned(sga.sga_buf));
    require(!is_sga || sga.sga_segs[0].sgaseg_len == size);
    *o = (struct object){.live = true, .is_sga = is_sga, .sga = sga};
    o->data = is_sga ? sga.sga_segs[0].sgaseg_buf : sga.sga_buf;
    require((uintptr_t)o->data % 64 == 0);
    fill(o, next_word(in), (uint32_t)size);
}

static int give_up(struct object *o)
{
    return o->is_sga ? demi_sgafree(&o->sga) : demi_free(o->sga.sga_buf);
}

void free_object(int i)
{
    struct object *o = &objects[i];

    require(content_is(&o->content, o->data, pattern));
    expect(give_up(o), 0);
    o->live = false;
}

/* Pointers that no live object of the application begins at. */
static void *pick_garbage(struct input *in)
{
    char *near = objects[next_below(in, OBJECTS)].sga.sga_buf;
    uintptr_t base = up ? (uintptr_t)api_self.inst->mem.base : 0, region = up ? api_self.inst->mem.region : 0;
    const uintptr_t garbage[] = {
        0,
        1,
        64,
        UINTPTR_MAX,
        UINTPTR_MAX & ~(uintptr_t)63,
        (uintptr_t)&model,
        (uintptr_t)near + 1,
        (uintptr_t)near + 64,
        (uintptr_t)near - 64,
        (uintptr_t)near & ~(SUPERBLOCK_BYTES - 1),
        ((uintptr_t)near & ~(SUPERBLOCK_BYTES - 1)) + sizeof(struct superblock),
        (uintptr_t)near + SUPERBLOCK_BYTES,
        base,
        base + region,
        base + region - 64,
        base - 64,
    };
    uintptr_t p = garbage[next_below(in, ARRAY_LEN(garbage))];

    return owned((void *)p) ? NULL : (void *)p;
}

void call_free(struct input *in)
{
    int i = (int)next_below(in, OBJECTS);
    demi_sgarray_t bad = {.sga_buf = NULL, .sga_numsegs = 1};

    if (next_below(in, 8) == 0) {
        bad.sga_buf = pick_garbage(in);
        expect(demi_sgafree(&bad), up ? EINVAL : ENOSYS);
        expect(demi_free(bad.sga_buf), up ? EINVAL : ENOSYS);
        expect(demi_sgafree(NULL), up ? EINVAL : ENOSYS);
        return;
    }
    if (objects[i].live)
        free_object(i);
    else if (!owned(objects[i].sga.sga_buf)) /* a second free, unless its place is another's by now */
        expect(give_up(&objects[i]), up ? EINVAL : ENOSYS);
}

/* Uses a buffer again that no push needs any more. */
void call_write(struct input *in)
{
    int i = pick_live(in);

    if (i >= 0 && objects[i].pushes == 0)
        fill(&objects[i], next_word(in), objects[i].content.len);
}

void call_look(struct input *in)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    int i = pick_live(in);

    if (i < 0)
        return;
    require(content_is(&objects[i].content, objects[i].data, pattern));
    expect(demi_sga_source(&objects[i].sga, (struct sockaddr *)&ss, &len), up ? ENOTSUP : ENOSYS);
}

void object_pushed(int t)
{
    if (model.token[t].object < 0)
        return;
    require(objects[model.token[t].object].pushes > 0);
    objects[model.token[t].object].pushes--;
}

void object_popped(const demi_sgarray_t *sga, const struct content *c)
{
    int i = free_place();
    struct object o = {.live = true, .is_sga = true, .sga = *sga, .data = sga->sga_segs[0].sgaseg_buf, .content = *c};

    require(sga->sga_buf != NULL && sga->sga_numsegs == 1 && !owned(sga->sga_buf));
    require_equal(sga->sga_segs[0].sgaseg_len, c->len);
    require(content_is(c, o.data, pattern));
    if (i >= 0)
        objects[i] = o;
    else
        expect(give_up(&o), 0);
}

/* Spoils an array. */
static void spoil(struct input *in, demi_sgarray_t *sga)
{
    size_t room = up && owned(sga->sga_buf) ? mem_room(sga->sga_buf) : 64;
    uintptr_t start = (uintptr_t)sga->sga_buf;

    switch (next_below(in, 8)) {
    case 0:
        sga->sga_segs[0].sgaseg_len = 0;
        break;
    case 1:
        sga->sga_segs[0].sgaseg_len = (uint32_t)room + 1;
        sga->sga_segs[0].sgaseg_buf = (void *)start;
        break;
    case 2:
        sga->sga_segs[0].sgaseg_len = UINT32_MAX;
        break;
    case 3:
        sga->sga_segs[0].sgaseg_buf = (void *)(start - 1);
        break;
    case 4:
        sga->sga_segs[0].sgaseg_buf = (void *)(start + room);
        break;
    case 5:
        sga->sga_segs[0].sgaseg_buf = (void *)UINTPTR_MAX;
        break;
    case 6:
        sga->sga_numsegs = next_below(in, 2) == 0 ? 0 : 2;
        break;
    default:
        sga->sga_buf = pick_garbage(in);
    }
}

void call_push(struct input *in)
{
    int qd = pick_qd(in), q = model_find_queue(&model, qd), i = pick_live(in), want, got;
    uint32_t how = next_byte(in), from = 0, len;
    bool good = i >= 0 && objects[i].is_sga && how < 240;
    demi_sgarray_t sga = objects[i < 0 ? how % OBJECTS : (uint32_t)i].sga;
    demi_qtoken_t qt = 0;

    if (!good && how < 240 && (i >= 0 || owned(sga.sga_buf)))
        return; /* memory of demi_malloc: for pushv */
    if (good) {
        len = objects[i].content.len;
        if (how >= 160) { /* a part of it */
            from = next_word(in) % len;
            len = 1 + next_word(in) % (len - from);
        }
        sga.sga_segs[0].sgaseg_buf = objects[i].data + from;
        sga.sga_segs[0].sgaseg_len = len;
    } else {
        spoil(in, &sga);
    }
    want = !up ? ENOSYS : !good || how == 7 ? EINVAL : q < 0 ? EBADF : model.live_count >= MODEL_OPS ? ENOMEM : 0;
    got = demi_push(how == 7 ? NULL : &qt, qd, how == 250 ? NULL : &sga);
    expect(got, want);
    if (got == 0) {
        struct content c = content_slice(&objects[i].content, from, len);

        objects[i].pushes++;
        model_push(&model, q, qt, &c, i);
    }
}

struct segments {
    struct iovec iov[CONTENT_PIECES + 1];
    int n;
    bool null, huge;
    struct content content;
};

/* One segment: of the application's memory, of a foreign one, empty, or impossible. */
static void add_segment(struct input *in, struct segments *s)
{
    uint32_t how = next_byte(in), from = 0, len = 1 + next_word(in) % (how < 200 ? 256 : 20000);
    struct content c = content_of(next_word(in), len);
    struct iovec iov = {pattern + c.piece[0].start, len};
    int i = how < 128 ? pick_live(in) : -1;

    if (i >= 0) {
        from = next_word(in) % objects[i].content.len;
        len = len < objects[i].content.len - from ? len : objects[i].content.len - from;
        c = content_slice(&objects[i].content, from, len);
        iov = (struct iovec){objects[i].data + from, len};
    }
    if (how >= 240) {
        c = (struct content){.pieces = 0};
        iov.iov_len = 0;
        if (how % 2 == 0)
            iov.iov_base = NULL;
    }
    if (how == 255 || how == 253)
        iov = (struct iovec){NULL, 5};
    if (how == 251)
        iov.iov_len = SIZE_MAX / 2;
    if (!content_append(&s->content, &c))
        return;
    s->null |= how == 255 || how == 253;
    s->huge |= how == 251;
    s->iov[s->n++] = iov;
}

static int want_pushv(const struct segments *s, int q)
{
    size_t total = 0;

    if (!up)
        return ENOSYS;
    for (int i = 0; i < s->n; i++) {
        if (s->iov[i].iov_len > SIZE_MAX - total)
            return EINVAL;
        total += s->iov[i].iov_len;
    }
    if (s->null || total == 0)
        return EINVAL;
    if (total > sga_limit)
        return EMSGSIZE;
    return q < 0 ? EBADF : model.live_count >= MODEL_OPS ? ENOMEM : 0;
}

void call_pushv(struct input *in)
{
    int qd = pick_qd(in), q = model_find_queue(&model, qd), got, want;
    uint32_t n = next_below(in, CONTENT_PIECES + 1);
    struct segments s = {.n = 0};
    demi_qtoken_t qt = 0;

    while (n-- > 0)
        add_segment(in, &s);
    want = want_pushv(&s, q);
    got = demi_pushv(&qt, qd, s.iov, s.n);
    if (got == ENOMEM && want == 0 && short_memory)
        return;
    expect(got, want);
    if (got == 0)
        model_push(&model, q, qt, &s.content, -1);
}

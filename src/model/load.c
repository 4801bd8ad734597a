/* Loading: which tensor goes where, checks, and packing in parallel.
 * SPDX-License-Identifier: MIT
 *
 * All weights live in one block. Rows are read by pread into a small buffer of each worker and
 * packed from there, so that a file's pages never count as ours: resident memory is what the packed
 * weights take. */
#include "model/model_int.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 << 10, ALIGN = 64 };

/* How the bytes of a tensor become a weight. */
enum how {
    VECTOR,   /* decoded to floats */
    PACK,     /* the file's blocks, interleaved */
    CONVERT,  /* decoded, stored in another type */
    TRANSPOSE /* the same, each expert's matrix transposed */
};

typedef struct item {
    model_tensor t;
    enum how how;
    num_type from, to;
    size_t N, K, E;          /* of the weight */
    const fmt_tensor *src;   /* NULL: one tensor per expert, looked up by name */
    size_t src_rows, src_at; /* rows of an expert in src, and which come first */
    size_t rows, cols;       /* read per expert: N x K, or K x N for TRANSPOSE */
    size_t step, pieces;     /* rows of a piece, pieces of an expert */
    size_t first_piece, offset, bytes;
    void *slot; /* ops_weight or const float *, in the model */
} item;

typedef struct loader {
    model *m;
    const fmt_model *file;
    const model_options *opt;
    item *items;
    size_t n, cap, pieces, total;
    struct {
        const char *path;
        int fd;
    } * files;
    size_t n_files;
    uint8_t *room; /* [worker, room_bytes] */
    size_t room_bytes;
    _Atomic int failed;
    _Atomic size_t done;
    ponder_error error; /* written by the worker that set `failed` */
} loader;

/* ---- which tensor
 * ------------------------------------------------------------------------------------ */

static void source_name(const loader *l, const model_tensor *t, size_t e, char out[128])
{
    const char *name = fmt_kind_of(l->file) == FMT_GGUF ? t->name : t->hf,
               *star = strchr(name, '*');
    if (star) snprintf(out, 128, "%.*s%zu%s", (int)(star - name), name, e, star + 1);
    else snprintf(out, 128, "%s", name);
}

static const fmt_tensor *source_of(const loader *l, const item *it, size_t e)
{
    char name[128];
    if (it->src) return it->src;
    source_name(l, &it->t, e, name);
    return fmt_find(l->file, name);
}

/* Scales of an FP8 tensor, or NULL. */
static const fmt_tensor *scales_of(const loader *l, const fmt_tensor *t)
{
    char name[160];
    snprintf(name, sizeof name, "%.*s_scale_inv", STR_ARG(t->name));
    return t->type == NUM_F8_E4M3 ? fmt_find(l->file, name) : NULL;
}

static ponder_status misshapen(const loader *l, const fmt_tensor *t, size_t rows, size_t cols,
                               ponder_error *err)
{
    char have[96] = "";
    for (int i = 0, at = 0; i < t->n_dims && at >= 0 && (size_t)at < sizeof have; i++)
        at += snprintf(have + at, sizeof have - (size_t)at, "%s%llu", i ? " x " : "",
                       (unsigned long long)t->dim[i]);
    return err_set(err, PONDER_EFORMAT,
                   "%s: %.*s: shape %s, want %zu x %zu as the model's numbers say",
                   fmt_path(l->file), STR_ARG(t->name), have, cols, rows);
}

/* rows x cols, in however many dimensions the rows come. */
static ponder_status check_shape(const loader *l, const fmt_tensor *t, size_t rows, size_t cols,
                                 ponder_error *err)
{
    uint64_t have = 1;
    for (int i = 1; i < FMT_MAX_DIMS; i++)
        if (__builtin_mul_overflow(have, t->dim[i], &have)) return misshapen(l, t, rows, cols, err);
    if (t->dim[0] != cols || have != rows) return misshapen(l, t, rows, cols, err);
    if (t->type != NUM_F8_E4M3) return PONDER_OK;
    const fmt_tensor *s = scales_of(l, t);
    if (!s || s->type != NUM_F32)
        return err_set(err, PONDER_ENOTFOUND,
                       "%s: %.*s is FP8 but has no F32 tensor _scale_inv beside it",
                       fmt_path(l->file), STR_ARG(t->name));
    return check_shape(l, s, size_ceil_div(rows, 128), size_ceil_div(cols, 128), err);
}

static ponder_status missing(const loader *l, const char *name, ponder_error *err)
{
    return err_set(err, PONDER_ENOTFOUND,
                   "%s: tensor %s is missing: the file is incomplete or of another model",
                   fmt_path(l->file), name);
}

/* The joint up-projection of keys and values that older files and checkpoints have. */
static const fmt_tensor *joint_kv(const loader *l, int layer)
{
    char name[96];
    snprintf(name, sizeof name,
             fmt_kind_of(l->file) == FMT_GGUF ? "blk.%d.attn_kv_b.weight"
                                              : "model.layers.%d.self_attn.kv_b_proj.weight",
             layer);
    return fmt_find(l->file, name);
}

static bool is_block_type(num_type t) { return t != NUM_F32 && t != NUM_F16 && t != NUM_BF16; }

/* Finds the tensor an item is read from and how it is read. */
static ponder_status locate(const loader *l, item *it, ponder_error *err)
{
    const model_config *c = &l->m->config;
    char name[128];
    source_name(l, &it->t, 0, name);
    it->src = fmt_find(l->file, name);
    it->src_rows = it->N;
    bool k_b = it->t.field == offsetof(struct model_layer, k_b),
         v_b = it->t.field == offsetof(struct model_layer, v_b);
    bool k_up = it->t.field == offsetof(struct model_layer, k_up);
    const fmt_tensor *joint =
        (k_b || v_b || k_up) && (k_up || !it->src) ? joint_kv(l, it->t.layer) : NULL;
    if (joint) {
        size_t nope = (size_t)c->nope_dim, value = (size_t)c->v_dim, R = (size_t)c->kv_rank;
        TRY(check_shape(l, joint, it->E * (nope + value), R, err));
        it->src = joint;
        it->src_rows = nope + value;
        it->src_at = v_b ? nope : 0;
        if (k_b) it->how = TRANSPOSE;
        else if (joint->type == NUM_F8_E4M3) it->how = CONVERT;
    } else if (k_up && it->src) { /* the split flavour stores it transposed */
        it->how = TRANSPOSE;
        it->src_rows = it->K;
    }
    if (!it->src) return missing(l, name, err);
    it->from = it->src->type;
    bool transposed = it->how == TRANSPOSE;
    it->rows = transposed ? it->K : it->N;
    it->cols = transposed ? it->N : it->K;
    if (strchr(it->t.hf, '*') && fmt_kind_of(l->file) == FMT_HF) it->src = NULL;
    if (it->how == VECTOR && it->from == NUM_F8_E4M3)
        return err_set(err, PONDER_EUNSUPPORTED, "%s: %s in FP8", fmt_path(l->file), name);
    if (!joint)
        for (size_t e = 0; e < (it->src ? 1 : it->E); e++) {
            const fmt_tensor *t = source_of(l, it, e);
            source_name(l, &it->t, e, name);
            if (!t) return missing(l, name, err);
            if (t->type != it->from)
                return err_set(err, PONDER_EUNSUPPORTED, "%s: %s: experts of different types",
                               fmt_path(l->file), name);
            TRY(check_shape(l, t, it->src ? it->E * it->src_rows : it->rows, it->cols, err));
        }
    return PONDER_OK;
}

/* The type a weight is kept in: the file's, but for what is rebuilt, must be exact, or need not be. */
static num_type kept_type(const loader *l, const item *it)
{
    if (it->how == VECTOR || it->t.role == MODEL_ROUTER) return NUM_F32;
    if (it->from == NUM_F32 && l->opt->bf16) return NUM_BF16;
    bool ragged = it->from == NUM_F8_E4M3 && it->K % 128; /* the kernel takes whole blocks */
    if (it->how == PACK && !ragged) return it->from;
    return is_block_type(it->from) ? NUM_BF16 : it->from;
}

static ponder_status plan_item(loader *l, const model_tensor *t, void *slot, ponder_error *err)
{
    item *it = &l->items[l->n];
    bool vector = t->n_dims == 1;
    *it = (item){.t = *t,
                 .slot = slot,
                 .how = vector ? VECTOR : PACK,
                 .K = (size_t)t->dim[0],
                 .N = (size_t)t->dim[1],
                 .E = (size_t)t->dim[2]};
    TRY(locate(l, it, err));
    it->to = kept_type(l, it);
    if (it->how == PACK && it->to != it->from) it->how = CONVERT;
    size_t row_bytes;
    if (!num_row_bytes(&row_bytes, it->from, it->cols) || row_bytes == 0)
        return err_set(err, PONDER_EFORMAT, "%s: %s: rows of %zu do not divide into blocks",
                       fmt_path(l->file), t->name, it->cols);
    if (vector) {
        it->bytes = it->K * sizeof(float);
    } else if (!ops_weight_bytes(&it->bytes, &l->m->kern, it->to, it->N, it->K, it->E)) {
        const num_info *info = num_info_of(it->to);
        return err_set(err, PONDER_EUNSUPPORTED, "%s: %s: no kernel for %s with rows of %zu",
                       fmt_path(l->file), t->name, info ? info->name : "this type", it->K);
    }
    it->step = size_max(KERN_ROWS, PIECE_BYTES / row_bytes & ~(size_t)(KERN_ROWS - 1));
    if (it->how == TRANSPOSE) it->step = it->rows;
    it->pieces = size_ceil_div(it->rows, it->step);
    it->first_piece = l->pieces;
    l->pieces += it->pieces * it->E;
    it->offset = l->total;
    if (!size_add(&l->total, l->total, it->bytes) || l->total > SIZE_MAX / 2)
        return err_set(err, PONDER_ELIMIT, "%s: larger than an address space", fmt_path(l->file));
    l->total = size_round_up(l->total, ALIGN);
    /* A piece's file bytes, its floats, and the rows made from them. */
    size_t floats = it->how >= CONVERT ? it->step * it->cols * sizeof(float) : 0;
    size_t need = size_round_up(it->step * row_bytes, ALIGN) + 3 * size_round_up(floats, ALIGN) +
                  4 * ALIGN + size_ceil_div(it->cols, 128) * (it->step / 128 + 2) * sizeof(float);
    l->room_bytes = size_max(l->room_bytes, size_round_up(need, 4096));
    l->n++;
    return PONDER_OK;
}

static ponder_status plan(loader *l, ponder_error *err)
{
    model *m = l->m;
    const model_config *c = &m->config;
    size_t n = model_tensors(c, NULL, 0),
           extra = m->expanded ? (size_t)(c->layers + c->mtp_layers) : 0;
    model_tensor *t = calloc(n, sizeof *t);
    l->items = calloc(n + extra, sizeof *l->items);
    ponder_status st =
        t && l->items ? PONDER_OK : err_set(err, PONDER_ENOMEM, "no memory for %zu tensors", n);
    if (st == PONDER_OK) model_tensors(c, t, n);
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        bool computed = t[i].role == MODEL_FACTORS && c->rope == MODEL_ROPE_LLAMA3;
        if (!computed) st = plan_item(l, &t[i], model_slot(m, &t[i]), err);
        if (st != PONDER_OK || !m->expanded || t[i].field != offsetof(struct model_layer, k_b) ||
            t[i].layer < 0)
            continue;
        model_tensor up = t[i];
        up.field = offsetof(struct model_layer, k_up);
        up.dim[0] = (uint64_t)c->kv_rank;
        up.dim[1] = (uint64_t)c->nope_dim;
        st = plan_item(l, &up, model_slot(m, &up), err);
    }
    free(t);
    return st;
}

/* ---- reading and packing
 * ------------------------------------------------------------------------------- */

static ponder_status open_files(loader *l, ponder_error *err)
{
    size_t n = fmt_tensor_count(l->file);
    l->files = calloc(n + 1, sizeof *l->files);
    if (!l->files) return err_set(err, PONDER_ENOMEM, "no memory");
    for (size_t i = 0; i < n; i++) {
        const fmt_tensor *t = fmt_tensor_at(l->file, i);
        const char *path = t->path;
        size_t j = l->n_files; /* neighbours stand in the same file */
        while (j > 0 && strcmp(l->files[j - 1].path, path)) j--;
        if (j || t->in_memory) continue;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return err_set(err, PONDER_EIO, "%s: %s", path, strerror(errno));
        l->files[l->n_files].path = path;
        l->files[l->n_files++].fd = fd;
    }
    return PONDER_OK;
}

static ponder_status read_at(const loader *l, const fmt_tensor *t, void *out, size_t at, size_t n,
                             ponder_error *err)
{
    size_t f = 0;
    if (t->in_memory) {
        memcpy(out, t->data + at, n);
        return PONDER_OK;
    }
    while (strcmp(l->files[f].path, t->path)) f++;
    uint8_t *p = out;
    for (uint64_t from = t->offset + at; n > 0;) {
        ssize_t got = pread(l->files[f].fd, p, n, (off_t)from);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return err_set(err, PONDER_EIO, "%s: %.*s: %s", t->path, STR_ARG(t->name),
                           got < 0 ? strerror(errno) : "the file became shorter while it was read");
        p += got;
        from += (uint64_t)got;
        n -= (size_t)got;
    }
    return PONDER_OK;
}

/* A worker's room, handed out from the front. */
static void *take(uint8_t **room, size_t bytes)
{
    void *p = *room;
    *room += size_round_up(bytes, ALIGN);
    return p;
}

/* Reads the block scales of rows [row, row + n) of an FP8 tensor; *first is the first one's block
 * row. */
static ponder_status read_scales(const loader *l, const fmt_tensor *t, size_t row, size_t n,
                                 size_t cols, uint8_t **room, const float **out, ponder_error *err)
{
    const fmt_tensor *s = scales_of(l, t);
    size_t first = row / 128, rows = (row + n - 1) / 128 - first + 1,
           width = size_ceil_div(cols, 128);
    float *v = take(room, rows * width * sizeof *v);
    TRY(read_at(l, s, v, first * width * sizeof *v, rows * width * sizeof *v, err));
    for (size_t i = 0; i < rows * width; i++)
        if (!isfinite(v[i]))
            return err_set(err, PONDER_EFORMAT, "%s: %.*s: scale %zu is not a finite number",
                           s->path, STR_ARG(s->name), first * width + i);
    *out = v;
    return PONDER_OK;
}

static void decode_rows(const item *it, const uint8_t *bytes, size_t row, size_t n,
                        const float *scale, float *out)
{
    size_t row_bytes = 0, width = size_ceil_div(it->cols, 128);
    (void)num_row_bytes(&row_bytes, it->from, it->cols);
    for (size_t r = 0; r < n; r++, out += it->cols) {
        num_decode(it->from, out, bytes + r * row_bytes, it->cols);
        const float *s = scale ? scale + ((row + r) / 128 - row / 128) * width : NULL;
        for (size_t i = 0; s && i < it->cols; i++) out[i] *= s[i / 128];
    }
}

/* Rows given as floats [n, K] into the weight. */
static void pack_floats(const item *it, ops_weight *w, size_t e, size_t row, size_t n,
                        const float *x, uint8_t **room)
{
    size_t row_bytes = 0;
    (void)num_row_bytes(&row_bytes, it->to, it->K);
    uint8_t *out = take(room, n * row_bytes);
    for (size_t r = 0; r < n; r++)
        (void)num_encode(it->to, out + r * row_bytes, x + r * it->K, it->K);
    ops_weight_pack(w, e, row, n, out, NULL);
}

static float *transposed(const float *x, size_t rows, size_t cols, uint8_t **room)
{
    float *y = take(room, rows * cols * sizeof *y);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) y[c * rows + r] = x[r * cols + c];
    return y;
}

/* Rows [row, row + n) of expert e. */
static ponder_status load_rows(const loader *l, const item *it, size_t e, size_t row, size_t n,
                               uint8_t *room, ponder_error *err)
{
    const fmt_tensor *t = source_of(l, it, e);
    size_t row_bytes = 0, at = (it->src ? e * it->src_rows : 0) + it->src_at + row;
    (void)num_row_bytes(&row_bytes, it->from, it->cols);
    uint8_t *bytes = take(&room, n * row_bytes);
    TRY(read_at(l, t, bytes, at * row_bytes, n * row_bytes, err));
    if (!model_bytes_finite(it->from, bytes, n * row_bytes))
        return err_set(err, PONDER_EFORMAT,
                       "%s: %.*s: a value or scale in rows %zu to %zu is not a finite number: "
                       "fetch the file again",
                       t->path, STR_ARG(t->name), at, at + n - 1);
    const float *scale = NULL;
    if (it->from == NUM_F8_E4M3) TRY(read_scales(l, t, at, n, it->cols, &room, &scale, err));
    ops_weight *w = it->slot;
    if (it->how == VECTOR) {
        num_decode(it->from, *(float **)it->slot, bytes, it->K);
    } else if (it->how == PACK) {
        ops_weight_pack(w, e, row, n, bytes, scale);
    } else {
        float *x = take(&room, n * it->cols * sizeof *x);
        decode_rows(it, bytes, at, n, scale, x);
        if (it->how == TRANSPOSE)
            pack_floats(it, w, e, 0, it->N, transposed(x, n, it->cols, &room), &room);
        else pack_floats(it, w, e, row, n, x, &room);
    }
    return PONDER_OK;
}

static void load_pieces(void *arg, size_t begin, size_t end, int worker)
{
    loader *l = arg;
    for (size_t p = begin; p < end && !atomic_load_explicit(&l->failed, memory_order_relaxed);
         p++) {
        size_t low = 0, high = l->n;
        while (high - low > 1) {
            size_t mid = (low + high) / 2;
            if (l->items[mid].first_piece <= p) low = mid;
            else high = mid;
        }
        const item *it = &l->items[low];
        size_t local = p - it->first_piece, row = local % it->pieces * it->step;
        ponder_error err = {0};
        ponder_status st =
            load_rows(l, it, local / it->pieces, row, size_min(it->step, it->rows - row),
                      l->room + (size_t)worker * l->room_bytes, &err);
        if (st != PONDER_OK && !atomic_exchange(&l->failed, 1)) l->error = err;
        size_t bytes = it->bytes / (it->pieces * it->E);
        size_t done = atomic_fetch_add_explicit(&l->done, bytes, memory_order_relaxed) + bytes;
        if (worker == 0 && l->opt->progress) progress_update(l->opt->progress, (double)done);
    }
}

static ponder_status place(loader *l, ponder_error *err)
{
    size_t have = mem_available_bytes();
    if (l->total > have)
        return err_set(err, PONDER_ELIMIT,
                       "%s: the weights take %.1f GB and %.1f GB of memory are free: use a "
                       "smaller model or type",
                       fmt_path(l->file), (double)l->total * 1e-9, (double)have * 1e-9);
    TRY(mem_map(&l->m->memory, l->total, err));
    l->m->bytes = l->total;
    for (size_t i = 0; i < l->n; i++) {
        item *it = &l->items[i];
        uint8_t *at = (uint8_t *)l->m->memory + it->offset;
        if (it->how == VECTOR) *(float **)it->slot = (float *)at;
        else *(ops_weight *)it->slot = ops_weight_at(&l->m->kern, it->to, it->N, it->K, it->E, at);
    }
    return PONDER_OK;
}

static ponder_status run(loader *l, ponder_error *err)
{
    size_t threads = (size_t)pool_threads(l->opt->pool), bytes = threads * l->room_bytes;
    void *room;
    TRY(mem_map(&room, bytes, err));
    l->room = room;
    if (l->opt->progress)
        progress_begin(l->opt->progress, l->opt->progress->out, "loading", "MB", 0,
                       (double)l->total, 1e-6);
    pool_run(l->opt->pool, l->pieces, 1, load_pieces, l);
    if (l->opt->progress) progress_end(l->opt->progress, (double)l->total);
    mem_unmap(room, bytes);
    if (l->failed) return err_set(err, l->error.code, "%s", l->error.message);
    return PONDER_OK;
}

ponder_status model_load(model *m, const fmt_model *file, const model_options *opt,
                         ponder_error *err)
{
    loader l = {.m = m, .file = file, .opt = opt};
    ponder_status st = plan(&l, err);
    if (st == PONDER_OK) st = open_files(&l, err);
    if (st == PONDER_OK) st = place(&l, err);
    if (st == PONDER_OK) st = run(&l, err);
    for (size_t i = 0; i < l.n_files; i++) close(l.files[i].fd);
    free(l.files);
    free(l.items);
    return st;
}

/* The backend of tests/fixtures, spoilt in one way: ODD says how. */
#define inferno_backend_v1 good_backend
#include "backend.c"
#undef inferno_backend_v1

static int32_t silent_failure(inferno_model *model, inferno_emit emit, void *emit_ctx, inferno_fail fail, void *fail_ctx) {
    (void)model, (void)emit, (void)emit_ctx, (void)fail, (void)fail_ctx;
    return -1;
}

static int32_t garbled_failure(inferno_model *model, inferno_emit emit, void *emit_ctx, inferno_fail fail, void *fail_ctx) {
    (void)model, (void)emit, (void)emit_ctx;
    fail(fail_ctx, bytes("oops"));
    return -1;
}

static int32_t no_devices(void *ctx, inferno_sink sink) {
    (void)ctx, (void)sink;
    return -1;
}

static int32_t half_info(inferno_model *model, void *ctx, inferno_sink sink) {
    (void)model;
    sink(ctx, bytes("{\"context\":1}"));
    return 0;
}

static inferno_model *no_model(inferno_bytes options_json, inferno_progress progress, void *progress_ctx,
                               inferno_fail fail, void *fail_ctx) {
    (void)options_json, (void)progress, (void)progress_ctx, (void)fail, (void)fail_ctx;
    return NULL;
}

/* For one id each: text that is no UTF-8, an unknown event, a vector cut short, data that points nowhere; then a good one. */
static int32_t bad_events(inferno_model *model, inferno_emit emit, void *emit_ctx, inferno_fail fail, void *fail_ctx) {
    (void)fail, (void)fail_ctx;
    inferno_bytes nowhere = {NULL, 5};
    emit(emit_ctx, 1, INFERNO_TEXT, bytes("\xff"));
    emit(emit_ctx, 2, 99, bytes("?"));
    emit(emit_ctx, 3, INFERNO_EMBEDDING, bytes("1234567"));
    emit(emit_ctx, 4, INFERNO_TEXT, nowhere);
    emit(emit_ctx, 5, INFERNO_TEXT, bytes("good"));
    (void)model;
    return 0;
}

INFERNO_EXPORT const inferno_backend *inferno_backend_v1(void);
const inferno_backend *inferno_backend_v1(void) {
    static inferno_backend table;
    table = *good_backend();
    (void)silent_failure, (void)garbled_failure, (void)no_devices, (void)half_info, (void)no_model, (void)bad_events;
    ODD;
    return &table;
}

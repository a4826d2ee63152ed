#define _POSIX_C_SOURCE 200809L     /* dup2 */
#include "zoo_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

#include "zoo_litert.h"

enum { SIGNATURES = 16, SPARE = 64 };      /* bytes behind what an output needs */

typedef struct {
    const char *key;
    litert_signature *handle;
    size_t number, inputs, outputs;
    size_t sizes[ZOO_MOST_TENSORS][ZOO_RANK];       /* of the inputs of the last run */
    bool ran, once;                                 /* since the file was compiled; whether it runs once only */
} signature;

struct zoo_model {
    litert_environment *environment;
    litert_model *model;
    litert_options *options;
    litert_compiled *compiled;
    size_t count;
    signature signatures[SIGNATURES];
};

static bool failed(char error[ZOO_MESSAGE], const char *what, int status)
{
    snprintf(error, ZOO_MESSAGE, "expected LiteRT to %s, received status %d", what, status);
    return false;
}

/* Standard error elsewhere, while LiteRT says which accelerators it found; and back. -1: it cannot be had. */
static int silenced(void)
{
#ifdef _WIN32
    return -1;
#else
    fflush(stderr);
    const int before = dup(2), nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) {
        dup2(nowhere, 2);
        close(nowhere);
    }
    return before;
#endif
}

static void restored(int before)
{
#ifndef _WIN32
    if (before >= 0) {
        dup2(before, 2);
        close(before);
    }
#else
    (void)before;
#endif
}

/* A new compiled model: LiteRT 2.3 that resizes an old one can return results from stale memory. */
static bool compile(zoo_model *model, char error[ZOO_MESSAGE])
{
    if (model->compiled != NULL)
        LiteRtDestroyCompiledModel(model->compiled);
    model->compiled = NULL;
    for (size_t n = 0; n < model->count; n++)
        model->signatures[n].ran = false;
    const int before = silenced();
    const int status = LiteRtCreateCompiledModel(model->environment, model->model, model->options, &model->compiled);
    restored(before);
    return status == LITERT_OK || failed(error, "compile the file", status);
}

static bool described(zoo_model *model, char error[ZOO_MESSAGE])
{
    size_t count = 0;
    LiteRtGetNumModelSignatures(model->model, &count);
    for (size_t n = 0; n < count && n < SIGNATURES; n++) {
        signature *one = &model->signatures[model->count++];
        one->number = n;
        if (LiteRtGetModelSignature(model->model, n, &one->handle) || LiteRtGetSignatureKey(one->handle, &one->key) ||
            LiteRtGetNumSignatureInputs(one->handle, &one->inputs) ||
            LiteRtGetNumSignatureOutputs(one->handle, &one->outputs))
            return failed(error, "list the signatures", (int)n);
        if (one->inputs > ZOO_MOST_TENSORS || one->outputs > ZOO_MOST_TENSORS) {
            snprintf(error, ZOO_MESSAGE, "expected at most %d inputs and outputs of a signature, received more: raise "
                     "ZOO_MOST_TENSORS", ZOO_MOST_TENSORS);
            return false;
        }
    }
    return true;
}

static bool opened(zoo_model *model, const char *path, char error[ZOO_MESSAGE])
{
    const litert_environment_option errors = {LITERT_LEAST_SEVERITY, {LITERT_INTEGER, LITERT_ERRORS}};
    const int before = silenced();
    int status = LiteRtCreateEnvironment(1, &errors, &model->environment);
    if (status == LITERT_OK)
        status = LiteRtCreateModelFromFile(model->environment, path, &model->model);
    restored(before);
    if (status != LITERT_OK) {
        snprintf(error, ZOO_MESSAGE, "expected a TFLite file in %.300s, received none", path);
        return false;
    }
    if (LiteRtCreateOptions(&model->options) || LiteRtSetOptionsHardwareAccelerators(model->options, LITERT_CPU))
        return failed(error, "run on the CPU", 0);
    return described(model, error) && compile(model, error);
}

zoo_model *zoo_model_open(const char *path, char error[ZOO_MESSAGE])
{
    zoo_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        failed(error, "get memory", 0);
    } else if (!opened(model, path, error)) {
        zoo_model_close(model);
        model = NULL;
    }
    return model;
}

void zoo_model_close(zoo_model *model)
{
    if (model == NULL)
        return;
    if (model->compiled != NULL)
        LiteRtDestroyCompiledModel(model->compiled);
    if (model->options != NULL)
        LiteRtDestroyOptions(model->options);
    if (model->model != NULL)
        LiteRtDestroyModel(model->model);
    if (model->environment != NULL)
        LiteRtDestroyEnvironment(model->environment);
    free(model);
}

static signature *found(const zoo_model *model, const char *key)
{
    for (size_t n = 0; n < model->count; n++)
        if (strcmp(model->signatures[n].key, key) == 0)
            return (signature *)&model->signatures[n];
    return NULL;
}

bool zoo_model_has(const zoo_model *model, const char *key)
{
    return found(model, key) != NULL;
}

size_t zoo_model_fixed(const zoo_model *model, const char *key, const char *input, size_t axis)
{
    const signature *one = found(model, key);
    for (size_t n = 0; one != NULL && n < one->inputs; n++) {
        const char *name = "";
        litert_tensor *tensor = NULL;
        litert_type type;
        if (LiteRtGetSignatureInputName(one->handle, n, &name) == LITERT_OK && strcmp(name, input) == 0 &&
            LiteRtGetSignatureInputTensorByIndex(one->handle, n, &tensor) == LITERT_OK &&
            LiteRtGetRankedTensorType(tensor, &type) == LITERT_OK && axis < type.layout.rank)
            return type.layout.sizes[axis] > 0 ? (size_t)type.layout.sizes[axis] : 0;
    }
    return 0;
}

zoo_tensor *zoo_find(const zoo_tensors *tensors, const char *name)
{
    for (size_t n = 0; n < tensors->count; n++)
        if (strcmp(tensors->tensors[n].name, name) == 0)
            return (zoo_tensor *)&tensors->tensors[n];
    return NULL;
}

size_t zoo_elements(const zoo_tensor *tensor)
{
    size_t count = 1;
    for (size_t n = 0; n < tensor->rank; n++)
        count *= tensor->sizes[n];
    return count;
}

void zoo_tensors_free(zoo_tensors *tensors)
{
    for (size_t n = 0; n < tensors->count; n++) {
        free(tensors->tensors[n].numbers);
        free(tensors->tensors[n].integers);
    }
    tensors->count = 0;
}

/* A run: the buffers of its inputs and outputs. */
typedef struct {
    zoo_model *model;
    signature *of;
    const zoo_tensors *given;
    litert_buffer *inputs[ZOO_MOST_TENSORS], *outputs[ZOO_MOST_TENSORS];
    litert_type types[ZOO_MOST_TENSORS];            /* of the inputs, then of the outputs */
    const zoo_tensor *taken[ZOO_MOST_TENSORS];
    bool open[ZOO_MOST_TENSORS];                    /* whether the file leaves sizes of the input open */
    size_t bytes[ZOO_MOST_TENSORS];                 /* of the outputs */
    char *error;
} call;

/* Rows of `from` into the array of other sizes, cut or left as they are, from one axis on. */
static void fit(const char *from, const zoo_tensor *have, char *to, const litert_layout *want, size_t axis)
{
    if (axis == have->rank) {
        memcpy(to, from, 4);
        return;
    }
    size_t from_row = 4, to_row = 4;
    for (size_t n = axis + 1; n < have->rank; n++) {
        from_row *= have->sizes[n];
        to_row *= (size_t)want->sizes[n];
    }
    for (size_t n = 0; n < have->sizes[axis] && n < (size_t)want->sizes[axis]; n++)
        fit(from + n * from_row, have, to + n * to_row, want, axis + 1);
}

/* The types of the inputs, their sizes being those that are given where the file leaves them open. */
static bool matched(call *run)
{
    for (size_t n = 0; n < run->of->inputs; n++) {
        const char *name = "";
        litert_tensor *tensor = NULL;
        litert_type *type = &run->types[n];
        if (LiteRtGetSignatureInputName(run->of->handle, n, &name) ||
            LiteRtGetSignatureInputTensorByIndex(run->of->handle, n, &tensor) ||
            LiteRtGetRankedTensorType(tensor, type))
            return failed(run->error, "describe an input", (int)n);
        const zoo_tensor *given = run->taken[n] = zoo_find(run->given, name);
        if (given == NULL || given->rank != type->layout.rank ||
            (given->integers != NULL) != (type->element == LITERT_INT32)) {
            snprintf(run->error, ZOO_MESSAGE, "expected a file that takes other inputs than %.60s, or of another type",
                     name);
            return false;
        }
        for (size_t axis = 0; axis < given->rank; axis++)
            if (type->layout.sizes[axis] < 0) {
                type->layout.sizes[axis] = (int32_t)given->sizes[axis];
                run->open[n] = true;
            }
    }
    return true;
}

/* Whether the inputs are of other sizes than at the last run. */
static bool other_sizes(const call *run)
{
    for (size_t n = 0; n < run->of->inputs; n++)
        for (size_t axis = 0; axis < run->taken[n]->rank; axis++)
            if (run->of->sizes[n][axis] != (size_t)run->types[n].layout.sizes[axis])
                return true;
    return false;
}

static size_t bytes_of(const litert_layout *layout)
{
    size_t bytes = 4;
    for (size_t axis = 0; axis < layout->rank; axis++)
        bytes *= layout->sizes[axis] > 0 ? (size_t)layout->sizes[axis] : 1;
    return bytes;
}

static bool fed(call *run)
{
    for (size_t n = 0; n < run->of->inputs; n++) {
        litert_type *type = &run->types[n];
        const zoo_tensor *given = run->taken[n];
        const size_t bytes = bytes_of(&type->layout);
        int sizes[LITERT_RANK];
        for (size_t axis = 0; axis < given->rank; axis++) {
            sizes[axis] = type->layout.sizes[axis];
            run->of->sizes[n][axis] = (size_t)sizes[axis];
        }
        int status = !run->open[n] || run->of->ran ? LITERT_OK : LiteRtCompiledModelResizeInputTensor(
            run->model->compiled, run->of->number, n, sizes, given->rank);
        void *memory = NULL;
        if (status == LITERT_OK)
            status = LiteRtCreateManagedTensorBuffer(run->model->environment, LITERT_HOST_MEMORY, type, bytes,
                                                     &run->inputs[n]);
        if (status == LITERT_OK)
            status = LiteRtLockTensorBuffer(run->inputs[n], &memory, LITERT_WRITE);
        if (status != LITERT_OK)
            return failed(run->error, "take an input", status);
        memset(memory, 0, bytes);
        fit(given->integers ? (const char *)given->integers : (const char *)given->numbers, given, memory,
            &type->layout, 0);
        LiteRtUnlockTensorBuffer(run->inputs[n]);
    }
    return true;
}

/* Memory for the outputs, as much as they can become. */
static bool prepared(call *run, const zoo_bound *bounds, zoo_tensors *outputs)
{
    litert_layout layouts[ZOO_MOST_TENSORS];
    int status = LiteRtGetCompiledModelOutputTensorLayouts(run->model->compiled, run->of->number, run->of->outputs,
                                                           layouts, !run->of->ran);
    for (size_t n = 0; status == LITERT_OK && n < run->of->outputs; n++) {
        litert_tensor *tensor = NULL;
        litert_type type;
        zoo_tensor *output = &outputs->tensors[n];
        if (LiteRtGetSignatureOutputName(run->of->handle, n, &output->name) ||
            LiteRtGetSignatureOutputTensorByIndex(run->of->handle, n, &tensor) ||
            LiteRtGetRankedTensorType(tensor, &type))
            return failed(run->error, "describe an output", (int)n);
        size_t most = 1;
        for (const zoo_bound *bound = bounds; bound != NULL && bound->name != NULL; bound++)
            if (strcmp(bound->name, output->name) == 0)
                most = bound->most;
        run->bytes[n] = most * bytes_of(&type.layout) + SPARE;
        if (bytes_of(&layouts[n]) > run->bytes[n])
            run->bytes[n] = bytes_of(&layouts[n]);
        type.layout = (litert_layout){.rank = 1, .sizes = {(int32_t)(run->bytes[n] / 4)}};
        run->types[n] = type;
        status = LiteRtCreateManagedTensorBuffer(run->model->environment, LITERT_HOST_MEMORY, &type, run->bytes[n],
                                                 &run->outputs[n]);
    }
    return status == LITERT_OK || failed(run->error, "make place for the outputs", status);
}

static bool copied(call *run, size_t n, const litert_layout *layout, zoo_tensor *output)
{
    void *memory = NULL, *copy;
    const size_t bytes = bytes_of(layout);
    output->rank = layout->rank;
    for (size_t axis = 0; axis < layout->rank && axis < ZOO_RANK; axis++)
        output->sizes[axis] = (size_t)layout->sizes[axis];
    if (layout->rank > ZOO_RANK || bytes > run->bytes[n] ||
        LiteRtLockTensorBuffer(run->outputs[n], &memory, LITERT_READ) || (copy = malloc(bytes)) == NULL)
        return failed(run->error, "give an output of the size that was expected", (int)n);
    memcpy(copy, memory, bytes);
    LiteRtUnlockTensorBuffer(run->outputs[n]);
    if (run->types[n].element == LITERT_INT32)
        output->integers = copy;
    else
        output->numbers = copy;
    return true;
}

static bool answered(call *run, const zoo_bound *bounds, zoo_tensors *outputs)
{
    litert_layout layouts[ZOO_MOST_TENSORS];
    if (!matched(run))
        return false;
    if (run->of->ran && (run->of->once || other_sizes(run)) && !compile(run->model, run->error))
        return false;
    if (!fed(run) || !prepared(run, bounds, outputs))
        return false;
    run->of->ran = true;
    int status = LiteRtRunCompiledModel(run->model->compiled, run->of->number, run->of->inputs, run->inputs,
                                        run->of->outputs, run->outputs);
    if (status == LITERT_OK)
        status = LiteRtGetCompiledModelOutputTensorLayouts(run->model->compiled, run->of->number, run->of->outputs,
                                                           layouts, false);
    if (status != LITERT_OK)
        return failed(run->error, "run the signature", status);
    for (size_t n = 0; n < run->of->outputs; n++, outputs->count++)
        if (!copied(run, n, &layouts[n], &outputs->tensors[n]))
            return false;
    return true;
}

static bool tried(call *run, const zoo_bound *bounds, zoo_tensors *outputs)
{
    const bool right = answered(run, bounds, outputs);
    for (size_t n = 0; n < ZOO_MOST_TENSORS; n++) {
        if (run->inputs[n] != NULL)
            LiteRtDestroyTensorBuffer(run->inputs[n]);
        if (run->outputs[n] != NULL)
            LiteRtDestroyTensorBuffer(run->outputs[n]);
        run->inputs[n] = run->outputs[n] = NULL;
    }
    if (!right)
        zoo_tensors_free(outputs);
    return right;
}

bool zoo_model_run(zoo_model *model, const char *key, const zoo_tensors *inputs, const zoo_bound *bounds,
                   zoo_tensors *outputs, char error[ZOO_MESSAGE])
{
    call run = {.model = model, .of = found(model, key), .given = inputs, .error = error};
    *outputs = (zoo_tensors){0};
    if (run.of == NULL) {
        snprintf(error, ZOO_MESSAGE, "expected a file with the signature %.60s, received one without", key);
        return false;
    }
    if (run.of->ran && !run.of->once) {
        /* LiteRT 2.3 refuses a second run if an output of the first had a size that only the run has shown. */
        const int before = silenced();
        const bool again = tried(&run, bounds, outputs);
        restored(before);
        if (again)
            return true;
        run.of->once = true;
    }
    return tried(&run, bounds, outputs);
}

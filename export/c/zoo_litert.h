/* What zoo_model.c calls of LiteRT's C API, declared here because the wheel of ai-edge-litert has the library,
 * libLiteRt.so, but no header. Version 2.3, whose LiteRtCreateModelFromFile takes the environment first. */
#ifndef ZOO_LITERT_H
#define ZOO_LITERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LITERT_OK = 0, LITERT_CPU = 1, LITERT_HOST_MEMORY = 1, LITERT_READ = 0, LITERT_WRITE = 1 };
enum { LITERT_FLOAT32 = 1, LITERT_INT32 = 2, LITERT_RANK = 8 };
enum { LITERT_LEAST_SEVERITY = 25, LITERT_INTEGER = 2, LITERT_ERRORS = 3 };

typedef struct litert_environment litert_environment;
typedef struct litert_model litert_model;
typedef struct litert_signature litert_signature;
typedef struct litert_tensor litert_tensor;
typedef struct litert_options litert_options;
typedef struct litert_compiled litert_compiled;
typedef struct litert_buffer litert_buffer;

typedef struct {
    unsigned rank : 7;
    bool has_strides : 1;
    int32_t sizes[LITERT_RANK];     /* -1: any */
    uint32_t strides[LITERT_RANK];
} litert_layout;

typedef struct {
    int element;
    litert_layout layout;
} litert_type;

_Static_assert(sizeof(litert_type) == 72, "as LiteRT has it");

typedef struct {
    int tag;
    struct { int type; int64_t number; } value;
} litert_environment_option;

int LiteRtCreateEnvironment(int count, const litert_environment_option *options, litert_environment **environment);
void LiteRtDestroyEnvironment(litert_environment *environment);

int LiteRtCreateModelFromFile(litert_environment *environment, const char *path, litert_model **model);
void LiteRtDestroyModel(litert_model *model);
int LiteRtGetNumModelSignatures(litert_model *model, size_t *count);
int LiteRtGetModelSignature(litert_model *model, size_t n, litert_signature **signature);
int LiteRtGetSignatureKey(litert_signature *signature, const char **key);
int LiteRtGetNumSignatureInputs(litert_signature *signature, size_t *count);
int LiteRtGetNumSignatureOutputs(litert_signature *signature, size_t *count);
int LiteRtGetSignatureInputName(litert_signature *signature, size_t n, const char **name);
int LiteRtGetSignatureOutputName(litert_signature *signature, size_t n, const char **name);
int LiteRtGetSignatureInputTensorByIndex(litert_signature *signature, size_t n, litert_tensor **tensor);
int LiteRtGetSignatureOutputTensorByIndex(litert_signature *signature, size_t n, litert_tensor **tensor);
int LiteRtGetRankedTensorType(litert_tensor *tensor, litert_type *type);

int LiteRtCreateOptions(litert_options **options);
void LiteRtDestroyOptions(litert_options *options);
int LiteRtSetOptionsHardwareAccelerators(litert_options *options, int accelerators);

int LiteRtCreateCompiledModel(litert_environment *environment, litert_model *model, litert_options *options,
                              litert_compiled **compiled);
void LiteRtDestroyCompiledModel(litert_compiled *compiled);
int LiteRtCompiledModelResizeInputTensor(litert_compiled *compiled, size_t signature, size_t input,
                                         const int *sizes, size_t rank);
int LiteRtGetCompiledModelOutputTensorLayouts(litert_compiled *compiled, size_t signature, size_t count,
                                              litert_layout *layouts, bool update);
int LiteRtRunCompiledModel(litert_compiled *compiled, size_t signature, size_t inputs, litert_buffer **input,
                           size_t outputs, litert_buffer **output);

int LiteRtCreateManagedTensorBuffer(litert_environment *environment, int kind, const litert_type *type, size_t size,
                                    litert_buffer **buffer);
void LiteRtDestroyTensorBuffer(litert_buffer *buffer);
int LiteRtLockTensorBuffer(litert_buffer *buffer, void **memory, int mode);
int LiteRtUnlockTensorBuffer(litert_buffer *buffer);

#endif

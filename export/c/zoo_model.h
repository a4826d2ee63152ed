/* The signatures of a TFLite file, by LiteRT's C API: named arrays in, named arrays out. */
#ifndef ZOO_MODEL_H
#define ZOO_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ZOO_RANK = 4, ZOO_MOST_TENSORS = 64, ZOO_MESSAGE = 512 };

/* An array, row by row; one of numbers and integers is not NULL. What a signature gives owns its memory. */
typedef struct {
    const char *name;
    size_t rank, sizes[ZOO_RANK];
    float *numbers;
    int32_t *integers;
} zoo_tensor;

typedef struct {
    size_t count;
    zoo_tensor tensors[ZOO_MOST_TENSORS];
} zoo_tensors;

/* How large the product of the sizes that a file leaves open in an output can get; of those not named, 1.
   LiteRT wants the memory of an output before it knows how long it is. */
typedef struct {
    const char *name;
    size_t most;
} zoo_bound;

typedef struct zoo_model zoo_model;

/* The model of a file; NULL, and a line in `error`, if it cannot be run. */
zoo_model *zoo_model_open(const char *path, char error[ZOO_MESSAGE]);
void zoo_model_close(zoo_model *model);
bool zoo_model_has(const zoo_model *model, const char *signature);

/* The size of an axis of an input that the file fixes; 0 where it leaves it open, or has no such input. */
size_t zoo_model_fixed(const zoo_model *model, const char *signature, const char *input, size_t axis);

/* What a signature makes of inputs, of which those that it does not take are left out; what a file fixes is cut, or
   padded with 0. False, and a line in `error`, if it could not be run. */
bool zoo_model_run(zoo_model *model, const char *signature, const zoo_tensors *inputs, const zoo_bound *bounds,
                   zoo_tensors *outputs, char error[ZOO_MESSAGE]);

zoo_tensor *zoo_find(const zoo_tensors *tensors, const char *name);
size_t zoo_elements(const zoo_tensor *tensor);
void zoo_tensors_free(zoo_tensors *tensors);

#endif

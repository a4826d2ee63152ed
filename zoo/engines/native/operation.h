// TensorFlow's C API: an operation's inputs checked, its outputs allocated.

#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_datatype.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

#include "memory.h"

namespace zoo {

struct Status {
  TF_Status* it = TF_NewStatus();
  ~Status() { TF_DeleteStatus(it); }
  bool ok() const { return TF_GetCode(it) == TF_OK; }
};

// The tensors of one run. The first failure is the run's.
class Context {
 public:
  explicit Context(TF_OpKernelContext* context) : context_(context) {}

  ~Context() {
    if (!status_.ok()) TF_OpKernelContext_Failure(context_, status_.it);
  }

  bool ok() const { return status_.ok(); }

  std::vector<int64_t> shape(int index) {
    const Input input(*this, index);
    std::vector<int64_t> found;
    for (int axis = 0; input.it && axis < TF_NumDims(input.it); ++axis)
      found.push_back(TF_Dim(input.it, axis));
    return found;
  }

  long size(int index, size_t axis) {
    const std::vector<int64_t> found = shape(index);
    if (axis < found.size()) return found[axis];
    fail("expected input " + std::to_string(index) + " to have more axes");
    return 0;
  }

  long elements(int index) {
    const Input input(*this, index);
    return input.it ? TF_TensorElementCount(input.it) : 0;
  }

  // The data of an input of `count` elements; null where it is empty, which stands for "not given".
  const void* data(int index, const char* name, long count, bool optional = false) {
    const Input input(*this, index);
    if (!input.it) return nullptr;
    const long found = TF_TensorElementCount(input.it);
    if (found != count && !(optional && found == 0))
      fail(std::string("expected ") + name + " of " + std::to_string(count) + " elements, received " +
           std::to_string(found));
    return found ? TF_TensorData(input.it) : nullptr;
  }

  const float* floats(int index, const char* name, long count, bool optional = false) {
    return static_cast<const float*>(data(index, name, count, optional));
  }

  // An output; null where it has no elements. It takes over the memory of input `from` if nobody else
  // needs that.
  float* output(int index, const std::vector<int64_t>& shape, int from = -1) {
    if (!ok()) return nullptr;
    int forwarded;
    TF_Tensor* tensor = TF_ForwardInputOrAllocateOutput(context_, &from, from < 0 ? 0 : 1, index,
                                                        shape.data(), int(shape.size()), &forwarded,
                                                        status_.it);
    float* data = kept(tensor);
    if (data && forwarded < 0) written_anew(data, tensor);
    return data;
  }

  float* output(int index, bool wanted, const std::vector<int64_t>& shape) {
    return wanted ? output(index, shape) : output(index, {0});
  }

  // Memory for this run alone.
  float* temporary(bool wanted, const std::vector<int64_t>& shape) {
    if (!ok() || !wanted) return nullptr;
    TF_AllocatorAttributes attributes = {TF_ALLOCATOR_ATTRIBUTES_STRUCT_SIZE, 1};
    return kept(TF_AllocateTemp(context_, TF_FLOAT, shape.data(), int(shape.size()), &attributes,
                                status_.it));
  }

  void fail(const std::string& message) {
    if (ok()) TF_SetStatus(status_.it, TF_INVALID_ARGUMENT, message.c_str());
  }

  TF_Status* status() { return status_.it; }

 private:
  // A handle of an input. Whoever holds one keeps an output from taking over its memory; TensorFlow itself
  // keeps the memory until the run ends.
  struct Input {
    Input(Context& context, int index) {
      if (context.ok()) TF_GetInput(context.context_, index, &it, context.status_.it);
    }
    ~Input() {
      if (it) TF_DeleteTensor(it);
    }
    TF_Tensor* it = nullptr;
  };

  // TensorFlow maps the memory of a large output anew in every call, page by page as it is written.
  static void written_anew(float* data, const TF_Tensor* tensor) {
    constexpr long kLarge = 1 << 20;  // floats
    const long count = TF_TensorElementCount(tensor);
    if (count >= kLarge) prefer_huge_pages(data, count);
  }

  using Owned = std::unique_ptr<TF_Tensor, void (*)(TF_Tensor*)>;

  float* kept(TF_Tensor* it) {
    Owned tensor(it, TF_DeleteTensor);
    if (!ok()) return nullptr;
    tensors_.push_back(std::move(tensor));
    return TF_TensorElementCount(it) ? static_cast<float*>(TF_TensorData(it)) : nullptr;
  }

  TF_OpKernelContext* context_;
  Status status_;
  std::vector<Owned> tensors_;
};

inline int64_t integer(TF_OpKernelConstruction* construction, const char* name, TF_Status* status) {
  int64_t value = 0;
  TF_OpKernelConstruction_GetAttrInt64(construction, name, &value, status);
  return value;
}

inline bool boolean(TF_OpKernelConstruction* construction, const char* name, TF_Status* status) {
  TF_Bool value = 0;
  TF_OpKernelConstruction_GetAttrBool(construction, name, &value, status);
  return value;
}

inline float number(TF_OpKernelConstruction* construction, const char* name, TF_Status* status) {
  float value = 0;
  TF_OpKernelConstruction_GetAttrFloat(construction, name, &value, status);
  return value;
}

// The functions of an operation's kernel; what `create` returns is its settings.
struct Kernel {
  void* (*create)(TF_OpKernelConstruction*);
  void (*compute)(void* settings, TF_OpKernelContext*);
  void (*destroy)(void* settings);
};

// action(), whose exceptions become a status: TensorFlow is called through C, which none may cross.
template <class Action>
void guarded(TF_Status* status, const Action& action) {
  try {
    action();
  } catch (const std::bad_alloc&) {
    TF_SetStatus(status, TF_RESOURCE_EXHAUSTED,
                 "expected memory to work in, received none: use a smaller batch or layer, or fewer threads");
  } catch (const std::exception& error) {
    TF_SetStatus(status, TF_INTERNAL, error.what());
  }
}

// An operation of `Settings`, which are read from the attributes of its node.
template <class Settings, void (*run)(const Settings&, Context&)>
Kernel kernel() {
  return {[](TF_OpKernelConstruction* construction) -> void* {
            Status status;
            std::unique_ptr<Settings> settings;
            guarded(status.it, [&] { settings = std::make_unique<Settings>(construction, status.it); });
            if (!status.ok()) TF_OpKernelConstruction_Failure(construction, status.it);
            return settings.release();
          },
          [](void* settings, TF_OpKernelContext* tf) {
            Context context(tf);
            guarded(context.status(), [&] { run(*static_cast<Settings*>(settings), context); });
          },
          [](void* settings) { delete static_cast<Settings*>(settings); }};
}

// Tells TensorFlow of an operation. It knows no shapes of its outputs.
inline void register_op(const char* name, const std::vector<const char*>& inputs,
                        const std::vector<const char*>& outputs,
                        const std::vector<const char*>& attributes, Kernel kernel) {
  Status status;
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder(name);
  for (const char* input : inputs) TF_OpDefinitionBuilderAddInput(op, input);
  for (const char* output : outputs) TF_OpDefinitionBuilderAddOutput(op, output);
  for (const char* attribute : attributes) TF_OpDefinitionBuilderAddAttr(op, attribute);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, TF_ShapeInferenceContextSetUnknownShape);
  TF_RegisterOpDefinition(op, status.it);
  TF_KernelBuilder* builder =
      TF_NewKernelBuilder(name, "CPU", kernel.create, kernel.compute, kernel.destroy);
  if (status.ok()) TF_RegisterKernelBuilder(name, builder, status.it);
}

}  // namespace zoo

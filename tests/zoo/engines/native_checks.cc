// The native engine without TensorFlow: its operations, called through a stand-in for TensorFlow's C API, so that
// a sanitiser sees nothing but the engine.
//
//   native_checks agree    every cell, mask and size: the same bits from any number of threads, also when several
//                          callers come at once
//   native_checks memory   every allocation fails in turn: a status, or the same bits, and nothing is lost
//   native_checks halves   products of bfloat16 numbers are those of the rounded numbers, in sums of doubles
//   native_checks bits     prints a number that all bits of all answers go into: that of another blocking is the same
//   native_checks fork     children made while a call runs compute the same bits, on the cores they may use
//
// Compiled with native.cc, product.cc, bfloat16.cc and adam.cc, whose operations are named Forward, Backward and Adam.

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bfloat16.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_datatype.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

// ------------------------------------------------------------------------------------ memory that runs out

namespace {

std::atomic<long> left{-1};     // allocations that succeed before the first one that does not; < 0: all do
std::atomic<bool> gone{false};  // whether all later ones fail too
std::atomic<bool> failed{false};
thread_local int outside = 0;   // in the stand-in, whose memory does not run out

struct Outside {
  Outside() { ++outside; }
  ~Outside() { --outside; }
};

void* allocate(size_t size, size_t alignment) {
  if (!outside && (left >= 0 || gone)) {
    if (gone && failed) throw std::bad_alloc();
    if (left-- == 0) {
      failed = true;
      throw std::bad_alloc();
    }
  }
  return std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
}

}  // namespace

void* operator new(size_t size) { return allocate(size, 16); }
void* operator new(size_t size, std::align_val_t alignment) { return allocate(size, size_t(alignment)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size, 16);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void* data, size_t, std::align_val_t) noexcept { std::free(data); }

// ------------------------------------------------------------------------------------ TensorFlow's C API

using Shape = std::vector<int64_t>;

struct TF_Tensor {
  Shape shape;
  std::shared_ptr<std::vector<char>> data;

  long count() const {
    long count = 1;
    for (int64_t n : shape) count *= n;
    return count;
  }
};

struct TSL_Status {
  TF_Code code = TF_OK;
};

struct TF_OpKernelContext {
  std::vector<TF_Tensor> inputs;
  std::map<int, TF_Tensor> outputs;
  TF_Code code = TF_OK;
};

struct TF_OpKernelConstruction {
  std::map<std::string, double> attributes;
  TF_Code code = TF_OK;
};

struct TF_OpDefinitionBuilder {};
struct TF_ShapeInferenceContext {};

struct TF_KernelBuilder {
  void* (*create)(TF_OpKernelConstruction*);
  void (*compute)(void*, TF_OpKernelContext*);
  void (*destroy)(void*);
};

namespace {

std::atomic<long> handles{0};  // of tensors, that the engine must give back

std::map<std::string, TF_KernelBuilder*>& kernels() {
  static auto* all = new std::map<std::string, TF_KernelBuilder*>;
  return *all;
}

TF_Tensor* handle(const TF_Tensor& tensor) {
  ++handles;
  return new TF_Tensor(tensor);
}

TF_Tensor filled(const Shape& shape, size_t bytes, char with) {
  TF_Tensor tensor{shape, nullptr};
  tensor.data = std::make_shared<std::vector<char>>(tensor.count() * bytes, with);
  return tensor;
}

}  // namespace

extern "C" {
TF_Status* TF_NewStatus() { return Outside(), new TF_Status; }
void TF_DeleteStatus(TF_Status* status) { delete status; }
TF_Code TF_GetCode(const TF_Status* status) { return status->code; }
void TF_SetStatus(TF_Status* status, TF_Code code, const char*) { status->code = code; }

void TF_GetInput(TF_OpKernelContext* context, int i, TF_Tensor** tensor, TF_Status*) {
  Outside here;
  *tensor = handle(context->inputs.at(i));
}

TF_Tensor* TF_ForwardInputOrAllocateOutput(TF_OpKernelContext* context, const int* from, int count, int index,
                                           const int64_t* dims, int axes, int* forwarded, TF_Status*) {
  Outside here;
  const Shape shape(dims, dims + axes);
  const bool alone = count && context->inputs.at(*from).data.use_count() == 1 &&
                     context->inputs[*from].count() == TF_Tensor{shape, nullptr}.count();
  TF_Tensor tensor = alone ? context->inputs[*from] : filled(shape, 4, char(0xff));
  tensor.shape = shape;
  *forwarded = alone ? *from : -1;
  return handle(context->outputs[index] = tensor);
}

TF_Tensor* TF_AllocateTemp(TF_OpKernelContext*, TF_DataType, const int64_t* dims, int axes,
                           TF_AllocatorAttributes*, TF_Status*) {
  Outside here;
  return handle(filled(Shape(dims, dims + axes), 4, char(0xff)));
}

void TF_DeleteTensor(TF_Tensor* tensor) { --handles, delete tensor; }
int TF_NumDims(const TF_Tensor* tensor) { return int(tensor->shape.size()); }
int64_t TF_Dim(const TF_Tensor* tensor, int axis) { return tensor->shape[axis]; }
int64_t TF_TensorElementCount(const TF_Tensor* tensor) { return tensor->count(); }
void* TF_TensorData(const TF_Tensor* tensor) { return tensor->data->data(); }
void TF_OpKernelContext_Failure(TF_OpKernelContext* context, TF_Status* status) { context->code = status->code; }

void TF_OpKernelConstruction_GetAttrInt64(TF_OpKernelConstruction* node, const char* name, int64_t* value,
                                          TF_Status*) {
  Outside here;
  *value = int64_t(node->attributes.at(name));
}
void TF_OpKernelConstruction_GetAttrBool(TF_OpKernelConstruction* node, const char* name, TF_Bool* value,
                                         TF_Status*) {
  Outside here;
  *value = node->attributes.at(name) != 0;
}
void TF_OpKernelConstruction_GetAttrFloat(TF_OpKernelConstruction* node, const char* name, float* value,
                                          TF_Status*) {
  Outside here;
  *value = float(node->attributes.at(name));
}
void TF_OpKernelConstruction_GetAttrBoolList(TF_OpKernelConstruction*, const char*, TF_Bool* values, int count,
                                             TF_Status*) {
  std::memset(values, 1, count);
}
void TF_OpKernelConstruction_Failure(TF_OpKernelConstruction* node, TF_Status* status) {
  node->code = status->code;
}

TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char*) { return nullptr; }
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char*) {}
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char*) {}
void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char*) {}
void TF_OpDefinitionBuilderSetShapeInferenceFunction(TF_OpDefinitionBuilder*,
                                                     void (*)(TF_ShapeInferenceContext*, TF_Status*)) {}
void TF_ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext*, TF_Status*) {}
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder*, TF_Status*) {}
TF_KernelBuilder* TF_NewKernelBuilder(const char*, const char*, void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*), void (*destroy)(void*)) {
  return new TF_KernelBuilder{create, compute, destroy};
}
void TF_RegisterKernelBuilder(const char* name, TF_KernelBuilder* builder, TF_Status*) {
  kernels()[name] = builder;
}
}

// ------------------------------------------------------------------------------------ calls

namespace {

std::mt19937 random_bits;

TF_Tensor normal(const Shape& shape, float scale = 0.3f) {
  TF_Tensor tensor = filled(shape, 4, 0);
  std::normal_distribution<float> draw(0, scale);
  auto* data = reinterpret_cast<float*>(tensor.data->data());
  for (long i = 0; i < tensor.count(); ++i) data[i] = draw(random_bits);
  return tensor;
}

TF_Tensor nothing() { return filled({0}, 4, 0); }

TF_Tensor copy(const TF_Tensor& tensor) {
  return {tensor.shape, std::make_shared<std::vector<char>>(*tensor.data)};
}

struct Result {
  TF_Code code = TF_OK;
  std::map<int, TF_Tensor> outputs;
};

// One call of an operation, from its node to its outputs.
Result call(const char* name, std::map<std::string, double> attributes, std::vector<TF_Tensor> inputs) {
  TF_OpKernelConstruction node;
  TF_OpKernelContext context;
  node.attributes = std::move(attributes);
  context.inputs = std::move(inputs);
  const TF_KernelBuilder& kernel = *kernels().at(name);
  const int before = std::exchange(outside, 0);
  void* settings = kernel.create(&node);
  if (node.code == TF_OK) kernel.compute(settings, &context);
  if (settings) kernel.destroy(settings);
  outside = before;
  return {node.code == TF_OK ? context.code : node.code, std::move(context.outputs)};
}

// What a caller sees of some calls: a status, and all bits.
struct Answer {
  TF_Code code = TF_OK;
  std::string bits;

  bool take(const Result& result, std::initializer_list<int> outputs) {
    code = result.code;
    for (int i : outputs)
      if (code == TF_OK) bits.append(result.outputs.at(i).data->begin(), result.outputs.at(i).data->end());
    return code == TF_OK;
  }
  bool operator==(const Answer& other) const { return code == other.code && bits == other.bits; }
};

using Calls = std::function<Answer(int threads)>;

enum { kTanh, kRelu, kGru, kGruResetBefore, kLstm, kKinds };
enum { kNone, kPadded, kHoles, kMasks };

TF_Tensor mask(int kind, long B, long T) {
  if (kind == kNone) return nothing();
  TF_Tensor tensor = filled({B, T}, 1, 0);
  for (long b = 0; b < B; ++b)
    for (long t = 0; t < T; ++t)
      (*tensor.data)[b * T + t] = kind == kPadded ? t < T - b % T : (t + 3 * b + 1) % 5 > 0;
  return tensor;
}

// A cell forward and backward.
Calls recurrence(int cell, int masked, long B, long T, long D, long H, bool half = false) {
  const long G = cell == kLstm ? 4 : cell < kGru ? 1 : 3;
  const bool lstm = cell == kLstm, drops = masked == kHoles;
  const std::vector<TF_Tensor> common = {
      normal({B, T, D}), normal({D, G * H}), normal({H, G * H}, 0.8f / std::sqrt(float(H))), normal({B, H}),
      lstm ? normal({B, H}) : nothing(), mask(masked, B, T), drops ? normal({B, H}) : nothing(),
      drops ? normal({B, T, H}) : nothing(), nothing()};
  const TF_Tensor bias = normal({G, H}), recurrent_bias = cell == kGru ? normal({G, H}) : nothing();
  const TF_Tensor dsequence = normal({B, T, H}), dh = normal({B, H}), dc = lstm ? normal({B, H}) : nothing();
  return [=](int threads) {
    Outside here;
    const std::map<std::string, double> attributes = {{"cell", cell}, {"threads", threads}, {"keep", 1},
                                                      {"go_backwards", drops}, {"return_sequences", 1},
                                                      {"narrow", half}};
    Answer answer;
    std::vector<TF_Tensor> inputs = common;
    inputs.insert(inputs.end(), {bias, recurrent_bias});
    const Result forward = call("Forward", attributes, inputs);
    if (!answer.take(forward, {0, 1, 2, 3, 4})) return answer;
    inputs = common;
    for (int kept : {3, 4, 0}) inputs.push_back(copy(forward.outputs.at(kept)));
    inputs.insert(inputs.end(), {dsequence, dh, dc});
    answer.take(call("Backward", attributes, std::move(inputs)), {0, 1, 2, 3, 4, 5, 6, 7, 8});
    return answer;
  };
}

Calls adam() {
  const std::vector<Shape> shapes = {{3}, {0}, {300, 70}, {5, 7}};
  std::vector<TF_Tensor> inputs;
  for (int list = 0; list < 5; ++list)
    for (const Shape& shape : shapes) inputs.push_back(normal(shape));
  inputs.push_back(normal({3}));
  return [=](int threads) {
    Outside here;
    Answer answer;
    std::vector<TF_Tensor> copies;
    for (const TF_Tensor& input : inputs) copies.push_back(copy(input));
    const Result result =
        call("Adam", {{"weights", 4}, {"averages", 4}, {"threads", threads}, {"beta_1", 0.9}, {"beta_2", 0.99},
                      {"epsilon", 0.01}, {"limit", 1}}, std::move(copies));
    answer.take(result, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
    return answer;
  };
}

// Nothing to share out, rows to share out, units to share out; nothing at all.
constexpr long kSizes[][4] = {{4, 7, 3, 5}, {13, 40, 9, 70}, {1, 60, 10, 140}, {3, 60, 10, 140}, {2, 0, 3, 5},
                              {0, 4, 3, 5}, {44, 6, 9, 70}};

std::vector<Calls> all() {
  std::vector<Calls> calls = {adam()};
  for (int cell = 0; cell < kKinds; ++cell)
    for (int masked = 0; masked < kMasks; ++masked)
      for (const auto& size : kSizes)
        for (bool half : {false, true})
          calls.push_back(recurrence(cell, masked, size[0], size[1], size[2], size[3], half));
  return calls;
}

int mistakes = 0;

void expect(bool holds, const char* claim, long n) {
  if (holds) return;
  ++mistakes;
  std::printf("not so: %s (%ld)\n", claim, n);
}

// ------------------------------------------------------------------------------------ checks

void agree() {
  const std::vector<Calls> calls = all();
  std::vector<Answer> wanted;
  for (const Calls& one : calls) wanted.push_back(one(1));
  for (size_t n = 0; n < calls.size(); ++n)
    for (int threads : {0, 2, 3, 5})
      expect(calls[n](threads) == wanted[n], "the bits do not depend on the threads", long(n));
  std::vector<std::thread> callers;
  std::atomic<long> other{0};
  for (size_t caller = 0; caller < 4; ++caller)
    callers.emplace_back([&, caller] {
      Outside here;
      for (size_t n = caller; n < calls.size(); n += 2) other += !(calls[n](3) == wanted[n]);
    });
  for (std::thread& caller : callers) caller.join();
  expect(other == 0, "callers at once do not disturb each other", other);
}

float as_bfloat16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t below = bits & 0xffff;
  bits -= below;
  if (below > 0x8000 || (below == 0x8000 && bits & 0x10000)) bits += 0x10000;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Every number of rows, and every width of a panel.
void halves_of(long rows, long depth, int vectors) {
  using namespace zoo;
  const long padded = padded_depth(depth), width = vectors * kLanes;
  const TF_Tensor a = normal({rows, depth}), b = normal({depth, width});
  const auto* from = reinterpret_cast<const float*>(a.data->data());
  const auto* weights = reinterpret_cast<const float*>(b.data->data());
  std::vector<uint16_t> numbers((rows + kMostRows) * padded);
  std::vector<float> panel(padded / 2 * width), sums(kMostRows * width);
  const auto line = [&](long k, int v) { return k < depth ? load(weights + k * width + v * kLanes) : Vec{}; };
  for (long r = 0; r < rows; ++r) narrow(from + r * depth, depth, numbers.data() + r * padded);
  for (long k = 0; k < padded; k += 2)
    for (int v = 0; v < vectors; ++v)
      store(panel.data() + k / 2 * width + v * kLanes, words(line(k, v), line(k + 1, v)));
  const Tiles tiles;
  multiply_bfloat16(numbers.data(), rows, panel.data(), padded, vectors, sums.data());
  double worst = 0;
  for (long r = 0; r < rows; ++r)
    for (long j = 0; j < width; ++j) {
      double sum = 0;
      for (long k = 0; k < depth; ++k)
        sum += double(as_bfloat16(from[r * depth + k])) * as_bfloat16(weights[k * width + j]);
      worst = std::max(worst, std::abs(sum - sums[r * width + j]));
    }
  expect(worst < 1e-6 * depth, "products of bfloat16 numbers are summed in float32", rows);
}

void halves() {
  for (long rows = 1; rows <= zoo::kMostRows; ++rows)
    for (int vectors = 1; vectors <= zoo::kVectors; ++vectors)
      for (long depth : {1, 31, 32, 75}) halves_of(rows, depth, vectors);
  std::printf("%s\n", zoo::bfloat16_unit());
}

void bits() {
  const std::hash<std::string> hash;
  size_t number = 0;
  for (const Calls& one : all()) number = 31 * number + hash(one(3).bits);
  std::printf("%zu\n", number);
}

// The answer where the allocation number `allowed`, and all after it where memory is `lost`, fails.
Answer starved(const Calls& calls, long allowed, bool lost) {
  failed = false;
  gone = lost;
  left = allowed;
  const Answer answer = calls(3);
  left = -1;
  gone = false;
  return answer;
}

void memory() {
  std::vector<Calls> calls = {adam()};
  for (int cell = 0; cell < kKinds; ++cell)
    for (const auto& size : {kSizes[1], kSizes[2]})
      calls.push_back(recurrence(cell, kHoles, size[0], size[1], size[2], size[3]));
  for (size_t n = 0; n < calls.size(); ++n) {
    const Answer wanted = calls[n](3);
    long refused = 0;
    for (bool lost : {false, true})
      for (long allowed = 0;; allowed += 1 + allowed / 30) {
        const Answer answer = starved(calls[n], allowed, lost);
        refused += answer.code != TF_OK;
        expect(answer.code == TF_RESOURCE_EXHAUSTED || answer == wanted, "a status or the same bits", allowed);
        expect(handles == 0, "no tensor is lost", allowed);
        if (!failed) break;
      }
    expect(refused > 9, "memory does run out", refused);
    expect(calls[n](3) == wanted, "the next call is as before", long(n));
  }
}

int child(const Calls& calls, const Answer& wanted) {
  cpu_set_t before, after;
  alarm(60);
  sched_getaffinity(0, sizeof before, &before);
  for (int i = 0; i < 3; ++i)
    if (!(calls(3) == wanted)) return 1;
  sched_getaffinity(0, sizeof after, &after);
  return CPU_EQUAL(&before, &after) ? 0 : 2;
}

void fork_while_a_call_runs() {
  const Calls calls = recurrence(kLstm, kNone, kSizes[1][0], 10, 9, kSizes[1][3]);
  const Answer wanted = calls(3);
  std::atomic<bool> enough{false};
  std::thread caller([&] {
    Outside here;
    while (!enough) calls(3);
  });
  for (long n = 0; n < 100; ++n) {
    const pid_t pid = fork();
    if (pid == 0) _exit(child(calls, wanted));
    int status = -1;
    waitpid(pid, &status, 0);
    expect(status == 0, "a child computes the same on the same cores", status);
  }
  enough = true;
  caller.join();
}

}  // namespace

int main(int count, char** arguments) {
  Outside here;
  const std::map<std::string, void (*)()> checks = {
      {"agree", agree}, {"memory", memory}, {"halves", halves}, {"bits", bits}, {"fork", fork_while_a_call_runs}};
  const auto check = checks.find(count == 2 ? arguments[1] : "");
  if (check == checks.end()) return std::puts("expected one of: agree, memory, halves, bits, fork"), 2;
  check->second();
  return mistakes ? 1 : 0;
}

// All that a training step does once its gradients are known, as one CPU operation for TensorFlow:
//
//   s  = min(1, limit / ‖g‖)                            ‖g‖ over the gradients of all weights together
//   m' = m + (1 − β₁)(s·g − m)                          v' = v + (1 − β₂)((s·g)² − v)
//   w' = w − decay·w − rate·m' / (√v' + ε)              decay only where a weight is said to
//   a' = a + share·(w' − a)                             the moving average, if there is one
//
// Every tensor is read and written once, in pieces that the threads share out; only the gradients are read
// twice, for their norm comes first. The pieces do not depend on the threads, and so neither do the results.
//
// Built by native.py: -DZOO_ADAM="…" is the operation's name.

#include <cmath>

#include "operation.h"
#include "threads.h"
#include "vectors.h"

namespace {

using namespace zoo;

// What an operation is told when its graph is built; `limit` 0 never clips.
struct Settings {
  Settings(TF_OpKernelConstruction* construction, TF_Status* status)
      : weights(integer(construction, "weights", status)), averages(integer(construction, "averages", status)),
        threads(integer(construction, "threads", status)), beta_1(number(construction, "beta_1", status)),
        beta_2(number(construction, "beta_2", status)), epsilon(number(construction, "epsilon", status)),
        limit(number(construction, "limit", status)), decayed(weights) {
    TF_OpKernelConstruction_GetAttrBoolList(construction, "decayed", decayed.data(), int(weights), status);
  }

  const int64_t weights, averages, threads;
  const float beta_1, beta_2, epsilon, limit;
  std::vector<TF_Bool> decayed;
};

// The numbers of one step.
struct Step {
  float rate, decay, share, scale;
};

// A weight, what Adam and the average remember of it, and what becomes of them: arrays of `size`.
enum { kWeight, kMomentum, kVelocity, kAverage, kArrays };

struct Tensor {
  const float *gradient, *old[kArrays];
  float* now[kArrays];
  long size;
  bool decayed, averaged;
};

// As much as a core's own cache holds, of all arrays.
constexpr long kPiece = 1 << 14;

struct Piece {
  const Tensor* of;
  long begin, end;
};

std::vector<Piece> pieces(const std::vector<Tensor>& tensors) {
  std::vector<Piece> all;
  for (const Tensor& tensor : tensors)
    for (long begin = 0; begin < tensor.size; begin += kPiece)
      all.push_back({&tensor, begin, std::min(begin + kPiece, tensor.size)});
  return all;
}

double squares(const Piece& piece) {
  Vec sums = {};
  for (long i = piece.begin; i < piece.end; i += kLanes) {
    const Vec g = load(piece.of->gradient + i, lanes(piece.end, i));
    sums += g * g;
  }
  double sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  return sum;
}

inline Vec root(Vec x) {
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = std::sqrt(x[lane]);
  return x;
}

void move(const Settings& settings, const Step& step, const Piece& piece) {
  const Tensor& of = *piece.of;
  const float decay = of.decayed ? step.decay : 0;
  for (long i = piece.begin; i < piece.end; i += kLanes) {
    const int n = lanes(piece.end, i);
    const auto old = [&](int array) { return load(of.old[array] + i, n); };
    const auto put = [&](int array, Vec value) { store(of.now[array] + i, value, n); };
    const Vec g = step.scale * load(of.gradient + i, n);
    const Vec m = old(kMomentum) + (1 - settings.beta_1) * (g - old(kMomentum));
    const Vec v = old(kVelocity) + (1 - settings.beta_2) * (g * g - old(kVelocity));
    const Vec w = old(kWeight) - decay * old(kWeight) - step.rate * m / (root(v) + settings.epsilon);
    put(kMomentum, m);
    put(kVelocity, v);
    put(kWeight, w);
    if (of.averaged) put(kAverage, old(kAverage) + step.share * (w - old(kAverage)));
  }
}

// Written so that a norm that is not a number passes through.
float scale(float norm, float limit) { return limit > 0 && !(norm <= limit) ? limit / norm : 1; }

// The inputs: gradients, then weights, momentums, velocities and averages, then rate, decay and share.
// The outputs: the norm, then the same four lists as they are after the step.
std::vector<Tensor> tensors(const Settings& settings, Context& context) {
  static constexpr const char* names[] = {"a weight", "a momentum", "a velocity", "an average"};
  const int count = int(settings.weights);
  std::vector<Tensor> all(count);
  for (int i = 0; i < count; ++i) {
    Tensor& tensor = all[i];
    tensor.size = context.elements(i);
    tensor.decayed = settings.decayed[i];
    tensor.averaged = settings.averages > 0;
    tensor.gradient = context.floats(i, "a gradient", tensor.size);
    for (int array = 0; array < (tensor.averaged ? kArrays : kAverage); ++array) {
      const int input = i + (1 + array) * count, output = 1 + i + array * count;
      tensor.old[array] = context.floats(input, names[array], tensor.size);
      tensor.now[array] = context.output(output, context.shape(input), input);
    }
  }
  return all;
}

void compute(const Settings& settings, Context& context) {
  const int last = int(4 * settings.weights + settings.averages);
  const float* rates = context.floats(last, "rate, decay and share", 3);
  float* norm = context.output(0, std::vector<int64_t>{});
  const std::vector<Tensor> all = tensors(settings, context);
  if (!context.ok()) return;
  const std::vector<Piece> work = pieces(all);
  const auto share_out = [&](const std::function<void(long)>& each) {
    Pool::instance().run(long(work.size()), int(settings.threads), each);
  };
  std::vector<double> sums(work.size());
  share_out([&](long i) { sums[i] = squares(work[i]); });
  double sum = 0;
  for (double one : sums) sum += one;
  *norm = float(std::sqrt(sum));
  const Step step = {rates[0], rates[1], rates[2], scale(*norm, settings.limit)};
  share_out([&](long i) { move(settings, step, work[i]); });
}

const bool registered = [] {
  register_op(ZOO_ADAM,
              {"gradients: weights * float", "old_weights: weights * float",
               "old_momentums: weights * float", "old_velocities: weights * float",
               "old_averages: averages * float", "rates: float"},
              {"norm: float", "new_weights: weights * float", "new_momentums: weights * float",
               "new_velocities: weights * float", "new_averages: averages * float"},
              {"weights: int >= 0", "averages: int >= 0", "threads: int", "decayed: list(bool)",
               "beta_1: float", "beta_2: float", "epsilon: float", "limit: float"},
              kernel<Settings, compute>());
  return true;
}();

}  // namespace

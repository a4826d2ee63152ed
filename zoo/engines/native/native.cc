// The recurrences of SimpleRNN, GRU and LSTM as CPU operations for TensorFlow, forward and backward.
//
//   B T D H  batch, time, features, units        G    gates: 1 (SimpleRNN), 3 (GRU), 4 (LSTM)
//   W        kernel, [D, G·H]                    U    recurrent kernel, [H, G·H]
//
// What makes it fast:
//   * W and U are copied once a call into panels in which the gates of the same units stand side by side, so
//     that one pass over a panel gives all that the gate arithmetic of those units needs (section 1).
//   * A block of rows × vectors of sums stays in registers for the whole depth of a product (product.cc).
//   * Threads share out the batch: each takes some rows through all steps, so nothing waits for another
//     thread inside the time loop, and a thread that loses its core delays only its own rows. Where there
//     are too few rows for that, they share out the units and meet after each step (threads.h).
//   * Where U exceeds a core's own cache (caches.h), more rows share a look at it, and the next panel is fetched
//     while they meet the one before.
//   * x·W is computed for a few steps at a time and read while it is in the cache; on the way back δ·Wᵀ is
//     made of δ in the same manner (section 5).
//   * A masked step of a row is skipped, not computed and thrown away.
//
// Sections: 1 panels  2 product  3 rows and time  4 cells  5 all steps  6 TensorFlow
//
// Built by native.py, which gives the operations a name of their own for every version of this file:
// -DZOO_FORWARD="…" and -DZOO_BACKWARD="…".

#include <algorithm>
#include <functional>
#include <numeric>

#include "bfloat16.h"
#include "caches.h"
#include "memory.h"
#include "operation.h"
#include "product.h"
#include "threads.h"
#include "vectors.h"

namespace {

using namespace zoo;

// ---------------------------------------------------------------------------------------------------------
// 1  Panels: a weight matrix cut into strips of at most four vectors of columns, each strip contiguous.
//    A strip holds `groups` groups of kLanes units; a group holds one vector for each gate.

// A matrix [depth, gates × units]; strides in floats. `half` where it meets others in bfloat16.
struct Matrix {
  const float* data;
  long depth, units, down, across, gate;
  int gates;
  bool half;
};

class Panels {
 public:
  // Room for them; there is nothing in it until all parts are packed. Where only `rows` will meet the matrix, so
  // few that a copy costs more than it saves, it is read where it lies.
  Panels(const Matrix& m, Scratch& scratch, long rows = kMany)
      : depth(m.depth), lines(m.half ? padded_depth(m.depth) / 2 : m.depth), units(m.units), gates(m.gates),
        groups(kVectors / m.gates), half(m.half),
        packed(rows >= kMany || m.across != 1 || m.gates == 2 || m.units % kLanes || m.half), matrix_(m),
        data_(packed ? scratch.get(lines * gates * padded(units)) : nullptr) {}

  void pack(Part part = {}) const {
    for (long panel = part.begin(count()); packed && panel < part.end(count()); ++panel) pack(panel);
  }

  long count() const { return (units + width() - 1) / width(); }
  long width() const { return groups * kLanes; }
  int vectors(long panel) const { return gates * here(panel); }

  Strip operator[](long panel) const {
    if (packed) return {data_ + panel * width() * gates * lines, 0, 0, true};
    return {matrix_.data + panel * width(), matrix_.down, gates == 1 ? kLanes : matrix_.gate, false};
  }

  // The groups in a panel: fewer in the last one.
  int here(long panel) const {
    return int(std::min<long>(groups, (units - panel * width() + kLanes - 1) / kLanes));
  }

  static constexpr long kMany = 9;
  long size() const { return lines * gates * units; }

  const long depth, lines, units;  // `lines` of vectors: a line has one place in depth, or two in bfloat16
  const int gates, groups;
  const bool half, packed;

 private:
  // The matrix is read along its own rows: as it is, or, transposed, square by square.
  __attribute__((noinline)) void pack(long panel) const {
    const Matrix& m = matrix_;
    float* to = data_ + panel * width() * gates * lines;
    const float* from[kVectors];
    int n[kVectors], count = 0;
    for (int group = 0; group < here(panel); ++group)
      for (int gate = 0; gate < gates; ++gate, ++count) {
        const long unit = panel * width() + group * kLanes;
        from[count] = m.data + unit * m.across + gate * m.gate;
        n[count] = lanes(units, unit);
      }
    if (half) return pack_words(from, n, count, to);
    if (m.across != 1)
      for (int v = 0; v < count; ++v) transpose(m, from[v], n[v], to + v * kLanes, count * kLanes);
    else
      for (long k = 0; k < depth; ++k)
        for (int v = 0; v < count; ++v, to += kLanes) store(to, load(from[v] + k * m.down, n[v]));
  }

  void pack_words(const float* const* from, const int* n, int count, float* to) const {
    alignas(64) float across[2 * kLanes * kLanes];
    for (long k = 0; k < 2 * lines; k += 2 * kLanes)
      for (int v = 0; v < count; ++v) {
        const long rows = std::clamp<long>(depth - k, 0, 2 * kLanes), end = std::min<long>(lines, k / 2 + kLanes);
        const auto row = [&](long i) {
          if (i >= rows) return Vec{};
          return matrix_.across == 1 ? load(from[v] + (k + i) * matrix_.down, n[v]) : load(across + i * kLanes);
        };
        if (matrix_.across != 1) turn(from[v] + k * matrix_.down, rows, n[v], across);
        for (long line = k / 2; line < end; ++line)
          store(to + (line * count + v) * kLanes, words(row(2 * line - k), row(2 * line + 1 - k)));
      }
  }

  // Some rows of a transposed matrix.
  void turn(const float* from, long rows, int n, float* to) const {
    for (int j = 0; j < kLanes; ++j)
      for (long i = 0; i < rows; ++i)
        to[i * kLanes + j] = j < n ? from[i * matrix_.down + j * matrix_.across] : 0.f;
  }

  static void transpose(const Matrix& m, const float* from, int n, float* to, long line) {
    for (long k = 0; k < m.depth; k += kLanes) {
      const long rows = std::min<long>(kLanes, m.depth - k);
      for (long j = 0; j < kLanes; ++j)
        for (long i = 0; i < rows; ++i)
          to[(k + i) * line + j] = j < n ? from[(k + i) * m.down + j * m.across] : 0.f;
    }
  }

  const Matrix matrix_;
  float* const data_;
};

// ---------------------------------------------------------------------------------------------------------
// 2  Product: any number of rows times panels.

// The sums of some rows and a panel, group by group.
template <class Row, class Each>
void hand_out(const Panels& panels, long panel, Row* const* rows, long count, const float* sums, Each each) {
  for (long r = 0; r < count; ++r)
    for (int g = 0; g < panels.here(panel); ++g, sums += panels.gates * kLanes) {
      const long u = panel * panels.width() + g * kLanes;
      each(*rows[r], u, lanes(panels.units, u), sums);
    }
}

// Room for rows of bfloat16 numbers, and for the tile that the last of them may begin.
inline uint16_t* rows_of_numbers(long count, long depth, Scratch& scratch) {
  return reinterpret_cast<uint16_t*>(scratch.get((count + kMostRows) * padded_depth(depth) / 2));
}

// `sweep` for rows that are bfloat16 numbers already, one after the other.
template <class Row, class Each, class Ask>
void sweep_numbers(const Panels& panels, Part part, Row* const* rows, long count, const uint16_t* numbers, Each each,
                   Ask ask) {
  alignas(64) float sums[kMostRows * kVectors * kLanes];
  const long depth = 2 * panels.lines, most = count > kTileRows ? kMostRows : kTileRows;
  const Tiles tiles;
  for (long panel = part.begin(panels.count()); panel < part.end(panels.count()); ++panel)
    for (long row = 0; row < count; row += most) {
      const long size = std::min(most, count - row);
      for (long r = 0; r < size; ++r) ask(*rows[row + r], panel * panels.width(), panels.here(panel) * kLanes);
      multiply_bfloat16(numbers + row * depth, size, panels[panel].data, depth, panels.vectors(panel), sums);
      hand_out(panels, panel, rows + row, size, sums, each);
    }
}

// `sweep` in bfloat16: the rows are rounded on their way in.
template <class Row, class Operand, class Each, class Ask>
void sweep_half(const Panels& panels, Part part, Row* const* rows, long count, Operand operand, Each each, Ask ask) {
  Scratch scratch;
  uint16_t* numbers = rows_of_numbers(count, panels.depth, scratch);
  for (long r = 0; r < count; ++r) narrow(operand(*rows[r]), panels.depth, numbers + r * 2 * panels.lines);
  sweep_numbers(panels, part, rows, count, numbers, each, ask);
}

// operand(row)·panels for all rows and a part of the panels. Calls each(row, unit, lanes, sums) for every
// group of units: sums[g·kLanes …] is the group's sum for gate g, of which the first `lanes` lanes are units. What
// `each` will read may be asked for before a product by ask(row, unit, units).
template <int Step = 1, class Row, class Operand, class Each, class Ask>
void sweep(const Panels& panels, Part part, Row* const* rows, long count, Operand operand, Each each, Ask ask) {
  if (panels.half) return sweep_half(panels, part, rows, count, operand, each, ask);
  alignas(64) float sums[kRows * kVectors * kLanes];
  const long blocks = (count + kRows - 1) / kRows;
  const bool far = panels.packed && blocks > 1 && panels.size() > kOwnCache;
  const long begin = part.begin(panels.count()), end = part.end(panels.count());
  for (long panel = begin; panel < end; ++panel) {
    const Strip strip = panels[panel];
    const int vectors = panels.vectors(panel);
    const long next = panel + 1 < end ? panel + 1 : begin;
    for (long block = 0; block < blocks; ++block) {
      Row* const* first = rows + count * block / blocks;
      const long size = rows + count * (block + 1) / blocks - first;
      const float* operands[kRows];
      for (long r = 0; r < size; ++r) {
        operands[r] = operand(*first[r]);
        ask(*first[r], panel * panels.width(), panels.here(panel) * kLanes);
      }
      const bool asks = far && block < panels.vectors(next);
      const Ahead ahead = {asks ? panels[next].data + block * panels.depth * kLanes : strip.data, asks ? kLanes : 0};
      multiplier<Step>(size, vectors, panels.packed)(operands, strip, panels.depth, sums, ahead);
      hand_out(panels, panel, first, size, sums, each);
    }
  }
}

const auto nothing = [](const auto&, long, long) {};

// ---------------------------------------------------------------------------------------------------------
// 3  Rows and time.

enum Kind { kTanh, kRelu, kGru, kGruResetBefore, kLstm };

// The share of a state's old value that a step keeps: none, one number, or one for each [B, T, H].
struct Share {
  const float* data;
  bool everywhere;

  explicit operator bool() const { return data; }
  Vec at(long place, int n) const { return everywhere ? all(*data) : load(data + place, n); }
};

// One call of an operation. An array that is not given, or not wanted, is null.
struct Call {
  Kind kind;
  bool go_backwards;
  bool half;                     // products in bfloat16
  int threads;
  long B, T, D, H, G;

  // Given, both ways.
  const float* U;                // [H, G·H]
  const float* first[2];         // [B, H]: h_0, and c_0 of the LSTM
  const bool* mask;              // [B, T]
  const float* dropout;          // [B, H]
  Share zoneout[2];              // of h and of c

  // Forward.
  const float* x;                // [B, T, D]
  const float* W;                // [D, G·H]
  const float* bias;             // a vector for each gate, padded
  const float* recurrent_bias;   // the same; GRU with the reset gate after
  float* last[2];                // [B, H]

  // What forward keeps for backward. Sequences are in the order of the steps, the rest in that of the input.
  float* sequence[2];            // [B, T, H]: h, and c of the LSTM
  float* gates;                  // [B, T, G·H], the gates' values; SimpleRNN without zoneout has them in h
  float* inner;                  // [B, T, H], h·U_n + b_n of the GRU with the reset gate after

  // Backward.
  const float* dsequence;        // [B, T, H]
  const float* dlast[2];         // [B, H]
  float* delta;                  // [B, T, G·H], ∂L/∂(x·W); may share its memory with `gates`
  float* inner_delta;            // [B, T, H], ∂L/∂inner; may share its memory with `inner`
  float* reset;                  // [B, T, H], the r·h_{t-1} that met U_n: GRU with the reset gate before
  float* dx;                     // [B, T, D]
  float* dW;                     // [D, G·H]
  float* dU;                     // [H, G·H]
  float* dbias;                  // [G·H]
  float* dinner_bias;            // [H], of b_n: GRU with the reset gate after
  float* dfirst[2];              // [B, H]

  int states() const { return kind == kLstm ? 2 : 1; }
  long when(long step) const { return go_backwards ? T - 1 - step : step; }
  bool active(long b, long t) const { return !mask || mask[b * T + t]; }

  // State s before a step, which forward left in its sequence.
  const float* before(int s, long b, long step) const {
    return step ? sequence[s] + (b * T + step - 1) * H : first[s] + b * H;
  }
};

inline void copy(float* to, const float* from, long n) { std::memcpy(to, from, n * sizeof(float)); }

inline void zero(float* to, long n) { std::memset(to, 0, n * sizeof(float)); }

// One row of the batch on its way through time, and the memory it works in: padded vectors of H.
struct Row {
  long b;
  long t, step;     // the step's place in the inputs, and in the sequences
  bool active;
  float *h, *next;  // h_{t-1} and h_t
  float *dropped, *next_dropped;  // the same as they enter a product: under the dropout mask
  float* c;
  float* gate;      // r of the GRU with the reset gate before, or z on the way forward
  float* gated;     // r·h_{t-1}
  float *dh, *dc;   // ∂L/∂h, ∂L/∂c
  float* inputs;    // x·W + b of some steps: for each, the gates of kLanes units after those of the last
  float* delta;     // ∂L/∂(h·U) of the GRU with the reset gate after: its memory is that of `inputs`
  const float* before[2];  // the states before the step, on the way back
  static constexpr int kVectors = 9;

  long in(const Call& call, long width) const { return (b * call.T + t) * width; }
  long out(const Call& call) const { return (b * call.T + step) * call.H; }
};

// As many steps of x·W at a time as keep the panels of W busy and stay in the cache until they are read.
long steps_at_once(const Call& call, long rows) {
  const long times = std::max<long>(1, (call.T * rows + 95) / 96);
  return std::max<long>(1, (call.T + times - 1) / times);
}

// The rows that one thread takes through time together. A copy works in the same memory.
class Rows {
 public:
  Rows(const Call& call, const long* batch, long count, Scratch& scratch)
      : steps(steps_at_once(call, count)), call_(call), rows_(count), active_(count) {
    const long H = padded(call.H), vectors = count * Row::kVectors * H;
    float* at = scratch.get(vectors + count * steps * call.G * H);
    float* inputs = at + vectors;
    zero(at, vectors);
    for (long r = 0; r < count; ++r, inputs += steps * call.G * H) {
      float* vector[Row::kVectors];
      for (float*& v : vector) v = at, at += H;
      const bool drops = call.dropout;  // without a mask, h itself enters the products
      rows_[r] = {batch[r], 0, 0, true, vector[0], vector[1], vector[drops ? 2 : 0], vector[drops ? 3 : 1],
                  vector[4], vector[5], vector[6], vector[7], vector[8], inputs, inputs, {}};
    }
  }

  void move_to(long step) {
    count_ = 0;
    for (Row& row : rows_) {
      row.t = call_.when(step);
      row.step = step;
      row.active = call_.active(row.b, row.t);
      if (row.active) active_[count_++] = &row;
    }
  }

  // The rows that are not masked at this step.
  Row* const* active() const { return active_.data(); }
  long count() const { return count_; }
  bool all_active() const { return count_ == long(rows_.size()); }

  std::vector<Row>::const_iterator begin() const { return rows_.begin(); }
  std::vector<Row>::const_iterator end() const { return rows_.end(); }
  std::vector<Row>::iterator begin() { return rows_.begin(); }
  std::vector<Row>::iterator end() { return rows_.end(); }

  const long steps;  // how many have room for their inputs

 private:
  const Call& call_;
  std::vector<Row> rows_;
  std::vector<Row*> active_;
  long count_ = 0;
};

// The order in which rows are shared out: longest first, so that rows of one length run together and the
// last pieces are short.
std::vector<long> by_length(const Call& call) {
  std::vector<long> order(call.B), length(call.B, call.T);
  std::iota(order.begin(), order.end(), 0);
  if (!call.mask) return order;
  for (long b = 0; b < call.B; ++b)
    length[b] = std::count(call.mask + b * call.T, call.mask + (b + 1) * call.T, true);
  std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return length[a] > length[b]; });
  return order;
}

// How many products of two numbers there are in x·W and h·U.
long products(const Call& call) { return call.B * call.T * (call.D + call.H) * call.H * call.G; }

// How many rows meet W and U, as far as that matters: few, where every step is read off them as they lie.
long rows_met(const Call& call) { return call.T > 4 ? Panels::kMany : call.B * call.T; }

// How much of a cache U takes.
long floats_of_U(const Call& call) { return call.G * call.H * call.H / (call.half ? 2 : 1); }

// In how many parts the units go to the threads: one, unless there are too few rows to share out, and steps
// enough to make up for waking a thread. Then every core's cache has to hold only a part of U: where it cannot
// hold all of it, that is worth the waiting for some more rows.
int parts(const Call& call) {
  const long weights = floats_of_U(call), few = weights > kOwnCache ? 8 : 3;
  if (call.B > few || weights < 1 << 14 || products(call) < 1 << 22) return 1;
  return int(std::min<long>(call.threads, call.H / kLanes));
}

// How many rows share a look at U. Where it comes from beyond the core's own cache at every step, they are as
// many as it takes to fetch a panel of U while they meet the one before it; more would gain little, and make a
// core that is busy with something else hold up more of the batch.
long rows_at_once(const Call& call) {
  const bool far = floats_of_U(call) > kOwnCache;
  if (call.half) return far ? kMostRows : kTileRows;
  return far ? kVectors * kRows : kRows;
}

// In how many pieces the batch goes to the threads: small ones, so that a core that is free takes over from one
// that is busy. Two rows alone gain nothing: reading the weights costs as much for one.
long pieces(const Call& call) {
  if (call.B < 3 || products(call) < 1 << 20) return 1;
  const long rows = rows_at_once(call), full = (call.B + rows - 1) / rows;
  return std::min(call.B, (full + call.threads - 1) / call.threads * call.threads);
}

// Zoneout forward: the new value of state s, of which a share stays as it was.
inline Vec hold(const Call& call, const Row& row, int s, long u, int n, Vec old, Vec now) {
  if (!call.zoneout[s]) return now;
  const Vec share = call.zoneout[s].at(row.in(call, call.H) + u, n);
  return share * old + (1.f - share) * now;
}

// Zoneout backward: splits the error of state s. `error` becomes that of the new value; what is returned
// goes to the old one.
inline Vec release(const Call& call, const Row& row, int s, long u, int n, Vec& error) {
  if (!call.zoneout[s]) return Vec{};
  const Vec kept = call.zoneout[s].at(row.in(call, call.H) + u, n) * error;
  error -= kept;
  return kept;
}

// ---------------------------------------------------------------------------------------------------------
// 4  Cells. Each has its panels, one step forward for all active rows, and one step back.
//    The equations are those of simple_rnn.py, gru.py and lstm.py.

// The gates first … first + gates − 1 of U, side by side.
Matrix forward_matrix(const Call& call, int first, int gates) {
  return {call.U + first * call.H, call.H, call.H, call.G * call.H, 1, call.H, gates, call.half};
}

// Uᵀ of the same gates, below each other.
Matrix backward_matrix(const Call& call, int first, int gates) {
  return {call.U + first * call.H, gates * call.H, call.H, 1, call.G * call.H, 0, 1, call.half};
}

// The gates of one group of units of one row.
class Gates {
 public:
  Gates(const Call& call, const Row& row, long u, int n)
      : call_(call), inputs_(row.inputs + u * call.G), place_(row.in(call, call.G * call.H) + u), n_(n) {}

  Vec input(int gate) const { return load(inputs_ + gate * kLanes); }
  Vec value(int gate) const { return load(call_.gates + place(gate), n_); }
  void keep(int gate, Vec value) const {
    if (call_.gates) store(call_.gates + place(gate), value, n_);
  }

  // δ of a gate.
  void emit(int gate, Vec delta) const { store(call_.delta + place(gate), delta, n_); }

 private:
  long place(int gate) const { return place_ + gate * call_.H; }

  const Call& call_;
  const float* const inputs_;
  const long place_;
  const int n_;
};

// What is kept of the dropout mask; one without it.
inline Vec mask(const Call& call, const Row& row, long u, int n) {
  return call.dropout ? load(call.dropout + row.b * call.H + u, n) : all(1.f);
}

inline void put_h(const Call& call, Row& row, long u, int n, Vec h) {
  h = hold(call, row, 0, u, n, load(row.h + u), h);
  store(row.next + u, h);
  if (call.dropout) store(row.next_dropped + u, h * mask(call, row, u, n));
  if (call.sequence[0]) store(call.sequence[0] + row.out(call) + u, h, n);
}

inline void put_c(const Call& call, Row& row, long u, int n, Vec c) {
  c = hold(call, row, 1, u, n, load(row.c + u), c);
  store(row.c + u, c);
  if (call.sequence[1]) store(call.sequence[1] + row.out(call) + u, c, n);
}

// The error of h_t. What goes past the step to h_{t-1} stays in row.dh.
inline Vec take_dh(const Call& call, Row& row, long u, int n) {
  Vec dh = load(row.dh + u);
  if (call.dsequence) dh += load(call.dsequence + row.out(call) + u, n);
  store(row.dh + u, release(call, row, 0, u, n, dh));
  return dh;
}

inline void add(float* to, Vec v) { store(to, load(to) + v); }

// Adds the error of what entered a product to that of h_{t-1}.
inline void add_dropped(const Call& call, Row& row, long u, int n, Vec error) {
  add(row.dh + u, error * mask(call, row, u, n));
}

// Calls each(row, unit, lanes) for all active rows and groups of units.
template <class Each>
void elementwise(const Call& call, const Rows& rows, Member& member, Each each) {
  const long groups = padded(call.H) / kLanes;
  member.together([&](Part part) {
    for (long r = 0; r < rows.count(); ++r)
      for (long group = part.begin(groups); group < part.end(groups); ++group)
        each(*rows.active()[r], group * kLanes, lanes(call.H, group * kLanes));
  });
}

// The same after a product: calls each(row, unit, lanes, sums).
template <class Operand, class Each>
void multiplied(const Panels& U, const Rows& rows, Member& member, Operand operand, Each each) {
  member.together([&](Part part) { sweep(U, part, rows.active(), rows.count(), operand, each, nothing); });
}

// ∂L/∂h_{t-1} += δ·Uᵀ
template <class Delta>
void carry_back(const Call& call, const Rows& rows, Member& member, const Panels& U, Delta delta) {
  multiplied(U, rows, member, delta, [&](Row& row, long u, int n, const float* sums) {
    add_dropped(call, row, u, n, load(sums));
  });
}

// δ of a row, from its gate number `first` on.
inline auto delta(const Call& call, int first = 0) {
  return [&call, first](const Row& row) {
    return call.delta + row.in(call, call.G * call.H) + first * call.H;
  };
}

const auto dropped = [](const Row& row) { return row.dropped; };
const auto gated = [](const Row& row) { return row.gated; };

enum Direction { kForward, kBackward };

Panels panels(const Call& call, Direction direction, int first, int gates, Scratch& scratch) {
  return {direction == kForward ? forward_matrix(call, first, gates) : backward_matrix(call, first, gates),
          scratch, rows_met(call)};
}

struct Cell {
  virtual ~Cell() = default;
  virtual void pack(Part part) const = 0;
  virtual void step(const Call& call, const Rows& rows, Member& member) const = 0;
  virtual void back(const Call& call, const Rows& rows, Member& member) const = 0;

  Scratch scratch[2];  // for the panels of U, of which no cell has more
};

// h' = φ(x + h·U)
struct Simple : Cell {
  Simple(const Call& call, Direction direction) : U(panels(call, direction, 0, 1, scratch[0])) {}

  void pack(Part part) const override { U.pack(part); }

  void step(const Call& call, const Rows& rows, Member& member) const override {
    multiplied(U, rows, member, dropped, [&](Row& row, long u, int n, const float* sums) {
      const Gates gates(call, row, u, n);
      const Vec a = gates.input(0) + load(sums), h = call.kind == kRelu ? relu(a) : tanh(a);
      gates.keep(0, h);
      put_h(call, row, u, n, h);
    });
  }

  void back(const Call& call, const Rows& rows, Member& member) const override {
    elementwise(call, rows, member, [&](Row& row, long u, int n) {
      const Gates gates(call, row, u, n);
      const Vec h = call.gates ? gates.value(0) : load(call.sequence[0] + row.out(call) + u, n);
      const Vec slope = call.kind == kRelu ? (h > Vec{} ? all(1.f) : Vec{}) : 1.f - h * h;
      gates.emit(0, take_dh(call, row, u, n) * slope);
    });
    carry_back(call, rows, member, U, delta(call));
  }

  const Panels U;
};

// i f o = σ(x + h·U);  g = tanh(x + h·U);  c' = f·c + i·g;  h' = o·tanh(c')
struct Lstm : Cell {
  Lstm(const Call& call, Direction direction) : U(panels(call, direction, 0, 4, scratch[0])) {}

  void pack(Part part) const override { U.pack(part); }

  void step(const Call& call, const Rows& rows, Member& member) const override {
    multiplied(U, rows, member, dropped, [&](Row& row, long u, int n, const float* sums) {
      const Gates gates(call, row, u, n);
      const Vec i = sigmoid(gates.input(0) + load(sums));
      const Vec f = sigmoid(gates.input(1) + load(sums + kLanes));
      const Vec g = tanh(gates.input(2) + load(sums + 2 * kLanes));
      const Vec o = sigmoid(gates.input(3) + load(sums + 3 * kLanes));
      const Vec c = f * load(row.c + u) + i * g;
      gates.keep(0, i);
      gates.keep(1, f);
      gates.keep(2, g);
      gates.keep(3, o);
      put_c(call, row, u, n, c);
      put_h(call, row, u, n, o * tanh(c));
    });
  }

  void back(const Call& call, const Rows& rows, Member& member) const override {
    elementwise(call, rows, member, [&](Row& row, long u, int n) {
      const Gates gates(call, row, u, n);
      const Vec i = gates.value(0), f = gates.value(1), g = gates.value(2), o = gates.value(3);
      const Vec c = load(row.before[1] + u, n), y = tanh(f * c + i * g), dh = take_dh(call, row, u, n);
      Vec dc = load(row.dc + u);
      const Vec kept = release(call, row, 1, u, n, dc);
      dc += dh * o * (1.f - y * y);
      gates.emit(0, dc * g * i * (1.f - i));
      gates.emit(1, dc * c * f * (1.f - f));
      gates.emit(2, dc * i * (1.f - g * g));
      gates.emit(3, dh * y * o * (1.f - o));
      store(row.dc + u, dc * f + kept);
    });
    carry_back(call, rows, member, U, delta(call));
  }

  const Panels U;
};

// z r = σ(x + h·U + b);  n = tanh(x_n + r·(h·U_n + b_n));  h' = z·h + (1 − z)·n
struct Gru : Cell {
  Gru(const Call& call, Direction direction) : U(panels(call, direction, 0, 3, scratch[0])) {}

  void pack(Part part) const override { U.pack(part); }

  void step(const Call& call, const Rows& rows, Member& member) const override {
    const long H = padded(call.H);
    multiplied(U, rows, member, dropped, [&](Row& row, long u, int n, const float* sums) {
      const Gates gates(call, row, u, n);
      const float* bias = call.recurrent_bias + u;
      const Vec z = sigmoid(gates.input(0) + (load(sums) + load(bias)));
      const Vec r = sigmoid(gates.input(1) + (load(sums + kLanes) + load(bias + H)));
      const Vec inner = load(sums + 2 * kLanes) + load(bias + 2 * H);
      const Vec candidate = tanh(gates.input(2) + r * inner);
      gates.keep(0, z);
      gates.keep(1, r);
      gates.keep(2, candidate);
      if (call.inner) store(call.inner + row.in(call, call.H) + u, inner, n);
      put_h(call, row, u, n, z * load(row.h + u) + (1.f - z) * candidate);
    });
  }

  void back(const Call& call, const Rows& rows, Member& member) const override {
    const long H = call.H;
    elementwise(call, rows, member, [&](Row& row, long u, int n) {
      const Gates gates(call, row, u, n);
      const Vec z = gates.value(0), r = gates.value(1), candidate = gates.value(2);
      const Vec inner = load(call.inner + row.in(call, H) + u, n), dh = take_dh(call, row, u, n);
      const Vec dz = dh * (load(row.before[0] + u, n) - candidate) * z * (1.f - z);
      const Vec dn = dh * (1.f - z) * (1.f - candidate * candidate);
      const Vec dr = dn * inner * r * (1.f - r);
      gates.emit(0, dz);
      gates.emit(1, dr);
      gates.emit(2, dn);
      store(row.delta + u, dz, n);
      store(row.delta + H + u, dr, n);
      store(row.delta + 2 * H + u, dn * r, n);
      store(call.inner_delta + row.in(call, H) + u, dn * r, n);
      add(row.dh + u, dh * z);
    });
    carry_back(call, rows, member, U, [](const Row& row) { return row.delta; });
  }

  const Panels U;
};

// z r = σ(x + h·U);  n = tanh(x_n + (r·h)·U_n);  h' = z·h + (1 − z)·n
struct GruResetBefore : Cell {
  GruResetBefore(const Call& call, Direction direction)
      : U_zr(panels(call, direction, 0, 2, scratch[0])), U_n(panels(call, direction, 2, 1, scratch[1])) {}

  void pack(Part part) const override {
    U_zr.pack(part);
    U_n.pack(part);
  }

  void step(const Call& call, const Rows& rows, Member& member) const override {
    multiplied(U_zr, rows, member, dropped, [&](Row& row, long u, int n, const float* sums) {
      const Gates gates(call, row, u, n);
      const Vec z = sigmoid(gates.input(0) + load(sums));
      const Vec r = sigmoid(gates.input(1) + load(sums + kLanes));
      gates.keep(0, z);
      gates.keep(1, r);
      store(row.gate + u, z);
      store(row.gated + u, r * load(row.dropped + u));
    });
    multiplied(U_n, rows, member, gated, [&](Row& row, long u, int n, const float* sums) {
      const Gates gates(call, row, u, n);
      const Vec z = load(row.gate + u), candidate = tanh(gates.input(2) + load(sums));
      gates.keep(2, candidate);
      put_h(call, row, u, n, z * load(row.h + u) + (1.f - z) * candidate);
    });
  }

  void back(const Call& call, const Rows& rows, Member& member) const override {
    elementwise(call, rows, member, [&](Row& row, long u, int n) {
      const Gates gates(call, row, u, n);
      const Vec z = gates.value(0), r = gates.value(1), candidate = gates.value(2);
      const Vec dh = take_dh(call, row, u, n);
      const Vec h = load(row.before[0] + u, n), gated = r * h * mask(call, row, u, n);
      store(row.gate + u, r);
      store(row.gated + u, gated);
      store(call.reset + row.in(call, call.H) + u, gated, n);
      gates.emit(0, dh * (h - candidate) * z * (1.f - z));
      gates.emit(2, dh * (1.f - z) * (1.f - candidate * candidate));
      add(row.dh + u, dh * z);
    });
    multiplied(U_n, rows, member, delta(call, 2), [&](Row& row, long u, int n, const float* sums) {
      const Vec r = load(row.gate + u), dgated = load(sums);
      Gates(call, row, u, n).emit(1, dgated * load(row.gated + u) * (1.f - r));
      add_dropped(call, row, u, n, dgated * r);
    });
    carry_back(call, rows, member, U_zr, delta(call));
  }

  const Panels U_zr, U_n;
};

std::unique_ptr<Cell> make_cell(const Call& call, Direction direction) {
  switch (call.kind) {
    case kTanh:
    case kRelu: return std::make_unique<Simple>(call, direction);
    case kGru: return std::make_unique<Gru>(call, direction);
    case kGruResetBefore: return std::make_unique<GruResetBefore>(call, direction);
    case kLstm: return std::make_unique<Lstm>(call, direction);
  }
  return nullptr;
}

// ---------------------------------------------------------------------------------------------------------
// 5  All steps.

// One row of a product on its own: from·panels → to.
struct Projection {
  const float* from;
  float* to;
};

template <class Each>
void project(const Panels& panels, Part part, std::vector<Projection>& projections, Each each) {
  std::vector<Projection*> pointers;
  for (Projection& one : projections) pointers.push_back(&one);
  const auto from = [](const Projection& one) { return one.from; };
  sweep(panels, part, pointers.data(), long(pointers.size()), from,
        [&](Projection& one, long u, int n, const float* sums) { each(one.to, u, n, sums); }, nothing);
}

// The inputs of the gates, x·W + b, of the steps first … first + steps − 1.
void project_inputs(const Call& call, const Panels& W, Part part, Rows& rows, long first, long steps) {
  const long width = call.G * padded(call.H);
  std::vector<Projection> all;
  for (const Row& row : rows)
    for (long i = 0; i < steps; ++i) {
      const long t = call.when(first + i);
      if (!call.active(row.b, t)) continue;
      all.push_back({call.x + (row.b * call.T + t) * call.D, row.inputs + i * width});
    }
  project(W, part, all, [&](float* gates, long u, int, const float* sums) {
    for (long gate = 0; gate < call.G; ++gate)
      store(gates + u * call.G + gate * kLanes,
            load(sums + gate * kLanes) + load(call.bias + gate * padded(call.H) + u));
  });
}

// The errors of the inputs, dx = δ·Wᵀ, of the steps first … first + steps − 1, while their δ is in the cache.
void project_errors(const Call& call, const Panels& W, Part part, Rows& rows, long first, long steps) {
  std::vector<Projection> all;
  for (const Row& row : rows)
    for (long i = 0; i < steps; ++i) {
      const long place = row.b * call.T + call.when(first + i);
      if (!call.mask || call.mask[place])
        all.push_back({call.delta + place * call.G * call.H, call.dx + place * call.D});
      else if (part.number == 0)
        zero(call.dx + place * call.D, call.D);
    }
  project(W, part, all, [](float* dx, long u, int n, const float* sums) { store(dx + u, load(sums), n); });
}

void start(const Call& call, Rows& rows) {
  for (Row& row : rows) {
    copy(row.h, call.first[0] + row.b * call.H, call.H);
    if (call.states() == 2) copy(row.c, call.first[1] + row.b * call.H, call.H);
    for (long u = 0; call.dropout && u < call.H; ++u)
      row.dropped[u] = row.h[u] * call.dropout[row.b * call.H + u];
  }
}

// A masked step leaves the states as they are.
void stay(const Call& call, Rows& rows) {
  for (const Row& row : rows) {
    if (row.active) continue;
    if (call.sequence[0]) copy(call.sequence[0] + row.out(call), row.h, call.H);
    if (call.sequence[1]) copy(call.sequence[1] + row.out(call), row.c, call.H);
  }
}

void take_step(const Call& call, const Cell& cell, Rows& rows, Member& member, long step) {
  rows.move_to(step);
  cell.step(call, rows, member);
  if (!rows.all_active()) member.once([&] { stay(call, rows); });
  for (Row& row : rows) {
    if (row.active) std::swap(row.h, row.next), std::swap(row.dropped, row.next_dropped);
    row.inputs += call.G * padded(call.H);
  }
}

void finish(const Call& call, Rows& rows) {
  for (const Row& row : rows) {
    copy(call.last[0] + row.b * call.H, row.h, call.H);
    if (call.states() == 2) copy(call.last[1] + row.b * call.H, row.c, call.H);
  }
}

void forward(const Call& call, const Panels& W, const Cell& cell, Rows& rows, Member& member) {
  member.once([&] { start(call, rows); });
  for (long first = 0; first < call.T; first += rows.steps) {
    const long steps = std::min(rows.steps, call.T - first);
    member.together([&](Part part) { project_inputs(call, W, part, rows, first, steps); });
    for (long i = 0; i < steps; ++i) take_step(call, cell, rows, member, first + i);
    for (Row& row : rows) row.inputs -= steps * call.G * padded(call.H);
  }
  member.once([&] { finish(call, rows); });
}

// A masked step has no error of its own: what comes from above goes straight to the state before.
void skip(const Call& call, Rows& rows) {
  for (const Row& row : rows) {
    if (row.active) continue;
    zero(call.delta + row.in(call, call.G * call.H), call.G * call.H);
    if (call.inner_delta) zero(call.inner_delta + row.in(call, call.H), call.H);
    if (call.reset) zero(call.reset + row.in(call, call.H), call.H);
    for (long u = 0; call.dsequence && u < call.H; ++u) row.dh[u] += call.dsequence[row.out(call) + u];
  }
}

// What a step back reads, asked for a step ahead: rows lie far apart, and no machine foresees such jumps.
void fetch_step(const Call& call, const Rows& rows, long step) {
  if (step < 0) return;
  for (const Row& row : rows) {
    const long in = row.b * call.T + call.when(step), out = row.b * call.T + step, H = call.H;
    fetch(call.gates ? call.gates + in * call.G * H : nullptr, call.G * H);
    fetch(call.inner ? call.inner + in * H : nullptr, H);
    fetch(call.dsequence ? call.dsequence + out * H : nullptr, H);
    for (int s = 0; s < call.states(); ++s) fetch(call.before(s, row.b, step), H);
  }
}

void step_back(const Call& call, const Cell& cell, Rows& rows, Member& member, long step) {
  rows.move_to(step);
  for (Row& row : rows)
    for (int s = 0; s < call.states(); ++s) row.before[s] = call.before(s, row.b, step);
  fetch_step(call, rows, step - 1);
  if (!rows.all_active()) member.once([&] { skip(call, rows); });
  cell.back(call, rows, member);
}

void start_back(const Call& call, Rows& rows) {
  for (const Row& row : rows) {
    copy(row.dh, call.dlast[0] + row.b * call.H, call.H);
    if (call.states() == 2) copy(row.dc, call.dlast[1] + row.b * call.H, call.H);
  }
}

void finish_back(const Call& call, Rows& rows) {
  for (const Row& row : rows) {
    copy(call.dfirst[0] + row.b * call.H, row.dh, call.H);
    if (call.states() == 2) copy(call.dfirst[1] + row.b * call.H, row.dc, call.H);
  }
}

void backward(const Call& call, const Panels& W, const Cell& cell, Rows& rows, Member& member) {
  member.once([&] { start_back(call, rows); });
  for (long end = call.T; end > 0; end -= rows.steps) {
    const long first = std::max<long>(0, end - rows.steps);
    for (long step = end - 1; step >= first; --step) step_back(call, cell, rows, member, step);
    member.together([&](Part part) { project_errors(call, W, part, rows, first, end - first); });
  }
  member.once([&] { finish_back(call, rows); });
}

// Shares the work out: first the packing, then work(rows, member of a team).
void share_out(const Call& call, const std::function<void(Part)>& pack,
               const std::function<void(Rows&, Member&)>& work) {
  const std::vector<long> order = by_length(call);
  const int members = parts(call);
  const long count = members > 1 ? members : pieces(call);
  const int threads = int(std::min<long>(count, call.threads));
  Team packers(threads), team(members);
  if (members > 1) {
    Scratch scratch;
    const Rows rows(call, order.data(), call.B, scratch);
    return Pool::instance().run(count, threads, [&](long number) {
      Member(packers, int(number)).together(pack);
      Rows mine = rows;
      Member member(team, int(number));
      work(mine, member);
    });
  }
  Pool::instance().run(count, threads, [&](long piece) {
    Member(packers, int(piece % threads)).together(pack);
    const long from = call.B * piece / count, to = call.B * (piece + 1) / count;
    Scratch scratch;
    Rows rows(call, order.data() + from, to - from, scratch);
    Team alone(1);
    Member member(alone, 0);
    work(rows, member);
  });
}

void forward_all(const Call& call) {
  Scratch scratch;
  const Panels W({call.W, call.D, call.H, call.G * call.H, 1, call.H, int(call.G), call.half}, scratch,
                 rows_met(call));
  const std::unique_ptr<Cell> cell = make_cell(call, kForward);
  share_out(
      call, [&](Part part) { W.pack(part), cell->pack(part); },
      [&](Rows& rows, Member& member) { forward(call, W, *cell, rows, member); });
}

// What met a weight matrix at a place (b, t), null where nothing did; and the dropout mask it was under, if any.
struct Operand {
  const float* data;
  const float* dropout;
};

// A weight gradient, Σ_t Σ_b a ⊗ δ: its rows first … first + rows − 1; and Σ_t Σ_b δ, that of a bias, where
// that is wanted.
struct WeightGradient {
  std::function<Operand(long place)> a;
  long first, rows;
  const float* delta;
  long columns, delta_stride;
  float* to;
  long to_stride;
  float* bias;
  bool half;

  // One of `count` shares of its rows; the first one has the bias.
  WeightGradient part(long i, long count) const {
    const long from = rows * i / count, end = rows * (i + 1) / count;
    return {a, from, end - from, delta, columns, delta_stride, to + from * to_stride, to_stride,
            i ? nullptr : bias, half};
  }
};

std::vector<WeightGradient> weight_gradients(const Call& call) {
  const long H = call.H, width = call.G * H;
  // At a masked step δ is 0, but 0·NaN is not.
  const auto x = [&call](long place) {
    return Operand{call.active(place / call.T, place % call.T) ? call.x + place * call.D : nullptr, nullptr};
  };
  const auto h = [&call](long place) {
    const long b = place / call.T, step = call.when(place % call.T);
    return Operand{call.before(0, b, step), call.dropout ? call.dropout + b * call.H : nullptr};
  };
  const auto gated = [&call](long place) { return Operand{call.reset + place * call.H, nullptr}; };
  const bool half = call.half;
  const WeightGradient dW = {x, 0, call.D, call.delta, width, width, call.dW, width, call.dbias, half};
  if (call.kind != kGru && call.kind != kGruResetBefore)
    return {dW, {h, 0, H, call.delta, width, width, call.dU, width, nullptr, half}};
  const WeightGradient dU_zr = {h, 0, H, call.delta, 2 * H, width, call.dU, width, nullptr, half};
  float* dU_n = call.dU + 2 * H;
  if (call.kind == kGru) return {dW, dU_zr, {h, 0, H, call.inner_delta, H, H, dU_n, width, call.dinner_bias, half}};
  return {dW, dU_zr, {gated, 0, H, call.delta + 2 * H, H, width, dU_n, width, nullptr, half}};
}

// B·T is taken a slice at a time, as deep as the cache likes.
constexpr long kSlice = 256;
constexpr long kStrip = (kSlice + 1) * kLanes;  // distances of a power of two share places in the cache

// kLanes columns of a, from `row` on, at one place.
inline Vec columns(const WeightGradient& g, const Operand& a, long row) {
  const int n = lanes(g.rows, row);
  Vec v = a.data ? load(a.data + g.first + row, n) : Vec{};
  if (a.dropout) v *= load(a.dropout + g.first + row, n);
  return v;
}

// The columns of a slice of a: they become the rows of a product. For the bias there is one more, of ones.
class Columns {
 public:
  explicit Columns(const WeightGradient& g) : g_(g) {
    data_ = scratch_.get((padded(g.rows) / kLanes + 1) * kStrip);
    std::fill(ones(), ones() + kStrip, 1.f);
  }

  // `deep` places from `place` on, in strips of kLanes columns: contiguous, as panels are.
  void lay_out(long place, long deep) {
    for (long i = 0; i < deep; ++i) {
      const Operand a = g_.a(place + i);
      for (long row = 0; row < g_.rows; row += kLanes)
        store(data_ + row / kLanes * kStrip + i * kLanes, columns(g_, a, row));
    }
  }

  const float* operator[](long row) const {
    return row < g_.rows ? data_ + row / kLanes * kStrip + row % kLanes : ones();
  }

 private:
  float* ones() const { return data_ + padded(g_.rows) / kLanes * kStrip; }

  const WeightGradient& g_;
  Scratch scratch_;
  float* data_;
};

// The same as rows of bfloat16 numbers.
class NarrowColumns {
 public:
  explicit NarrowColumns(const WeightGradient& g) : g_(g) { data_ = rows_of_numbers(padded(g.rows) + 1, kSlice, scratch_); }

  void lay_out(long place, long deep) {
    depth_ = padded_depth(deep);
    const auto a = [&](long i) { return i < deep ? g_.a(place + i) : Operand{}; };
    for (long i = 0; i < depth_; i += 2) {
      const Operand first = a(i), second = a(i + 1);
      for (long row = 0; row < g_.rows; row += kLanes) put(row, i, columns(g_, first, row), columns(g_, second, row));
      if (g_.bias) put(g_.rows, i, all(1.f), all(1.f));
    }
  }

  const uint16_t* data() const { return data_; }

 private:
  // Two places of kLanes rows; those past the last one have room, and nothing reads them.
  void put(long row, long place, Vec first, Vec second) {
    const Bits pairs = Bits(words(first, second));
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t pair = pairs[lane];
      std::memcpy(data_ + (row + lane) * depth_ + place, &pair, sizeof pair);
    }
  }

  const WeightGradient& g_;
  Scratch scratch_;
  uint16_t* data_;
  long depth_ = 0;
};

// Calls product(panels of δ, column) for the columns of a slice of δ.
template <class Product>
void by_columns(const WeightGradient& g, long place, long deep, Product product) {
  Scratch scratch;
  for (long column = 0; column < g.columns; column += kVectors * kLanes) {
    const long width = std::min<long>(g.columns - column, kVectors * kLanes);
    const float* corner = g.delta + place * g.delta_stride + column;
    const Panels delta({corner, deep, width, g.delta_stride, 1, 0, 1, g.half}, scratch);
    delta.pack();
    product(delta, column);
  }
}

// The columns of a slice of a meet its columns of δ panel by panel.
void add_up(const WeightGradient& g, long depth) {
  std::vector<float*> to;
  for (long row = 0; row < g.rows; ++row) to.push_back(g.to + row * g.to_stride);
  if (g.bias) to.push_back(g.bias);
  std::vector<float**> rows;
  for (float*& row : to) rows.push_back(&row);
  std::unique_ptr<Columns> strips(g.half ? nullptr : new Columns(g));
  std::unique_ptr<NarrowColumns> numbers(g.half ? new NarrowColumns(g) : nullptr);
  for (long place = 0; place < depth; place += kSlice) {
    const long deep = std::min(kSlice, depth - place);
    g.half ? numbers->lay_out(place, deep) : strips->lay_out(place, deep);
    by_columns(g, place, deep, [&](const Panels& delta, long column) {
      const auto add = [&](float* row, long u, int n, const float* sums) {
        store(row + column + u, place ? load(row + column + u, n) + load(sums) : load(sums), n);
      };
      const auto ask = [&](const float* row, long u, long n) { fetch(row + column + u, n); };  // far from the last
      if (g.half) return sweep_numbers(delta, {}, rows.data(), long(rows.size()), numbers->data(), add, ask);
      const auto strip = [&](float* const& row) { return (*strips)[&row - to.data()]; };
      sweep<kLanes>(delta, {}, rows.data(), long(rows.size()), strip, add, ask);
    });
  }
}

using Parts = std::vector<WeightGradient>;

// The gradients in parts of at most so many rows, those with the most work first.
Parts cut(const Parts& gradients, long rows) {
  Parts parts;
  for (const WeightGradient& gradient : gradients) {
    const long count = (gradient.rows + rows - 1) / rows;
    for (long i = 0; i < count; ++i) parts.push_back(gradient.part(i, count));
  }
  std::stable_sort(parts.begin(), parts.end(), [](const WeightGradient& a, const WeightGradient& b) {
    return a.rows * a.columns > b.rows * b.columns;
  });
  return parts;
}

// The work of the thread that has the most, if a free one takes the next part.
long longest(const Parts& parts, int threads) {
  std::vector<long> work(threads);
  for (const WeightGradient& part : parts) *std::min_element(work.begin(), work.end()) += part.rows * part.columns;
  return *std::max_element(work.begin(), work.end());
}

// Two parts or more for each thread, or larger ones if they are shared out as evenly: the more rows a part has,
// the less often δ is made into panels. A slice of a takes a third of the core's own cache at most.
Parts share_gradients(const Call& call) {
  const Parts gradients = weight_gradients(call);
  const long each = (call.D + call.H) / call.threads, most = kOwnCache / 3 / kSlice, least = 20 * kRows;
  const Parts small = cut(gradients, std::max<long>(least, std::min(each / 2, most)));
  const Parts large = cut(gradients, std::max<long>(least, std::min({each, most, 256L})));
  return longest(large, call.threads) <= longest(small, call.threads) ? large : small;
}

// ∂L/∂W, ∂L/∂U and those of the biases: every thread takes some rows of one of them at a time. The sums run over
// B·T in one order, whatever the number of threads.
void add_up_all(const Call& call) {
  const Parts parts = share_gradients(call);
  Pool::instance().run(long(parts.size()), call.threads, [&](long i) { add_up(parts[i], call.B * call.T); });
}

void backward_all(const Call& call) {
  Scratch scratch;
  const Panels W({call.W, call.G * call.H, call.D, 1, call.G * call.H, 0, 1, call.half}, scratch);
  const std::unique_ptr<Cell> cell = make_cell(call, kBackward);
  share_out(
      call, [&](Part part) { W.pack(part), cell->pack(part); },
      [&](Rows& rows, Member& member) { backward(call, W, *cell, rows, member); });
  add_up_all(call);
}

// ---------------------------------------------------------------------------------------------------------
// 6  TensorFlow: two operations.


// What an operation is told when its graph is built.
struct Settings {
  Settings(TF_OpKernelConstruction* construction, TF_Status* status)
      : cell(integer(construction, "cell", status)), threads(integer(construction, "threads", status)),
        go_backwards(boolean(construction, "go_backwards", status)),
        return_sequences(boolean(construction, "return_sequences", status)),
        keep(boolean(construction, "keep", status)), half(boolean(construction, "narrow", status)) {}

  const int64_t cell, threads;
  const bool go_backwards, return_sequences, keep, half;
};

// Both operations begin with these inputs.
enum { kX, kW, kU, kH, kC, kMask, kDropout, kZoneoutH, kZoneoutC, kCommon };

Share share(Context& context, int index, const char* name, long count) {
  const bool everywhere = context.elements(index) == 1;
  return {context.floats(index, name, everywhere ? 1 : count, true), everywhere};
}

Call common(const Settings& settings, Context& context) {
  Call call = {};
  call.kind = Kind(settings.cell);
  call.go_backwards = settings.go_backwards;
  call.half = settings.half;
  call.threads = int(std::max<int64_t>(1, settings.threads));
  call.B = context.size(kX, 0);
  call.T = context.size(kX, 1);
  call.D = context.size(kW, 0);
  call.H = context.size(kU, 0);
  call.G = call.kind == kLstm ? 4 : call.kind < kGru ? 1 : 3;
  const long states = call.B * call.H, steps = call.B * call.T;
  call.x = context.floats(kX, "the inputs", steps * call.D);
  call.W = context.floats(kW, "kernel", call.D * call.G * call.H);
  call.U = context.floats(kU, "recurrent_kernel", call.H * call.G * call.H);
  call.first[0] = context.floats(kH, "the initial state h", states);
  if (call.states() == 2) call.first[1] = context.floats(kC, "the initial state c", states);
  call.mask = static_cast<const bool*>(context.data(kMask, "the mask", steps, true));
  call.dropout = context.floats(kDropout, "the dropout mask", states, true);
  call.zoneout[0] = share(context, kZoneoutH, "zoneout of h", steps * call.H);
  call.zoneout[1] = share(context, kZoneoutC, "zoneout of c", steps * call.H);
  return call;
}

// A bias [gates, H] with every vector padded, zeros where there is none.
const float* padded_bias(const Call& call, const float* bias, Scratch& scratch) {
  const long width = padded(call.H);
  float* to = scratch.get(call.G * width);
  zero(to, call.G * width);
  for (long gate = 0; bias && gate < call.G; ++gate) copy(to + gate * width, bias + gate * call.H, call.H);
  return to;
}

enum { kBias = kCommon, kRecurrentBias };

void compute_forward(const Settings& settings, Context& context) {
  Scratch scratch[2];
  Call call = common(settings, context);
  const long B = call.B, T = call.T, H = call.H, G = call.G;
  call.bias = padded_bias(call, context.floats(kBias, "bias", G * H, true), scratch[0]);
  call.recurrent_bias =
      padded_bias(call, context.floats(kRecurrentBias, "the recurrent bias", G * H, true), scratch[1]);
  call.sequence[0] = context.output(0, settings.return_sequences || settings.keep, {B, T, H});
  call.last[0] = context.output(1, {B, H});
  call.last[1] = context.output(2, call.states() == 2, {B, H});
  call.gates = context.output(3, settings.keep && (G > 1 || call.zoneout[0]), {B, T, G * H});
  float* extra = context.output(4, settings.keep && (call.kind == kLstm || call.kind == kGru), {B, T, H});
  (call.kind == kLstm ? call.sequence[1] : call.inner) = extra;
  if (context.ok() && B) forward_all(call);
}

enum { kGates = kCommon, kExtra, kSequence, kDSequence, kDH, kDC };

void compute_backward(const Settings& settings, Context& context) {
  Call call = common(settings, context);
  const long B = call.B, T = call.T, H = call.H, G = call.G;
  const bool lstm = call.kind == kLstm, after = call.kind == kGru, before = call.kind == kGruResetBefore;
  call.gates = const_cast<float*>(context.floats(kGates, "the gates", B * T * G * H, G == 1));
  float* extra = const_cast<float*>(context.floats(kExtra, "what forward kept", B * T * H, !lstm && !after));
  (lstm ? call.sequence[1] : call.inner) = extra;
  call.sequence[0] = const_cast<float*>(context.floats(kSequence, "the sequence", B * T * H));
  call.dsequence = context.floats(kDSequence, "the sequence's error", B * T * H, true);
  call.dlast[0] = context.floats(kDH, "the error of h", B * H);
  if (lstm) call.dlast[1] = context.floats(kDC, "the error of c", B * H);
  call.delta = context.output(0, {B, T, G * H}, kGates);
  call.inner_delta = after ? context.output(8, {B, T, H}, kExtra) : context.output(8, {0});
  call.reset = context.temporary(before, {B, T, H});
  call.dx = context.output(1, {B, T, call.D});
  call.dW = context.output(2, {call.D, G * H});
  call.dU = context.output(3, {H, G * H});
  call.dfirst[0] = context.output(4, {B, H});
  call.dfirst[1] = context.output(5, lstm, {B, H});
  call.dbias = context.output(6, {G * H});
  float* drecurrent_bias = context.output(7, after, {G * H});
  if (!context.ok()) return;
  if (after) call.dinner_bias = drecurrent_bias + 2 * H;
  if (B * T == 0) {
    zero(call.dW, call.D * G * H);
    zero(call.dU, H * G * H);
    zero(call.dbias, G * H);
    if (after) zero(call.dinner_bias, H);
  }
  if (B) backward_all(call);
  // The GRU's second bias is added where the first one is, but for that of the candidate.
  if (after) copy(drecurrent_bias, call.dbias, 2 * H);
}

const bool registered = [] {
  const std::vector<const char*> both = {"x: float", "w: float", "u: float", "h: float", "c: float",
                                         "mask: bool", "dropout: float", "zoneout_h: float",
                                         "zoneout_c: float"};
  const auto after = [&](std::vector<const char*> more) {
    more.insert(more.begin(), both.begin(), both.end());
    return more;
  };
  const std::vector<const char*> attributes = {"cell: int", "threads: int", "go_backwards: bool",
                                               "return_sequences: bool", "keep: bool", "narrow: bool"};
  register_op(ZOO_FORWARD, after({"bias: float", "recurrent_bias: float"}),
              {"sequence: float", "h_last: float", "c_last: float", "gates: float", "extra: float"},
              attributes, kernel<Settings, compute_forward>());
  register_op(ZOO_BACKWARD,
              after({"gates: float", "extra: float", "sequence: float", "dsequence: float", "dh: float",
                     "dc: float", "bias: float", "recurrent_bias: float"}),  // the biases for its gradient
              {"delta: float", "dx: float", "dw: float", "du: float", "dh_first: float", "dc_first: float",
               "dbias: float", "drecurrent_bias: float", "inner_delta: float"},
              attributes, kernel<Settings, compute_backward>());
  return true;
}();

}  // namespace

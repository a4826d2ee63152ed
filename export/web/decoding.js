// Sampling and beam search, as zoo/decoding has them: the same numbers choose the same symbols.
//
// The network is a step: await step(id, states) → {log_probability: numbers [V], states, weights?: [S]}.

const TINY = 1e-30, NOTHING = -1e9, BELOW_1 = 1 - 2 ** -23;

export const SAMPLING = {temperature: 0.8, top_k: 0, top_p: 1, typical: 1};
export const BEAM = {width: 5, alpha: 0.75, n_best: 1};

/** A symbol by its log-probabilities [V], for a number in [0, 1). `forbidden` are never chosen. */
export function choose(log_probability, uniform, settings = {}, forbidden = []) {
  const {temperature, top_k, top_p, typical} = {...SAMPLING, ...settings};
  const scores = Array.from(log_probability);
  for (const id of forbidden) scores[id] = -Infinity;
  if (temperature <= 0) return scores.reduce((best, score, id) => score > scores[best] ? id : best, 0);
  let ids = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
  if (top_k > 0) ids = ids.slice(0, top_k);
  const p = normalised(ids.map((id) => Math.exp((scores[id] - scores[ids[0]]) / Math.max(TINY, temperature))));
  const kept = nucleus(p, top_p);
  return ids[rank(typical < 1 ? nearestToEntropy(kept, typical) : kept, uniform)];
}

function normalised(p) {
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map((one) => one / sum);
}

/** p, best first, in the smallest set that has this mass. */
function nucleus(p, mass) {
  let before = 0;
  return normalised(p.map((one) => {
    const kept = before < Math.max(TINY, mass) ? one : 0;
    before += one;
    return kept;
  }));
}

/** p in the smallest set that has this mass of symbols whose information is nearest to the entropy. */
function nearestToEntropy(p, mass) {
  const entropy = p.reduce((sum, one) => one > 0 ? sum - one * Math.log(one) : sum, 0);
  const distance = p.map((one) => Math.abs(-Math.log(one) - entropy));
  let before = 0, farthest = 0;
  for (const n of [...p.keys()].sort((a, b) => distance[a] - distance[b] || a - b)) {
    if (!(before < Math.max(TINY, mass))) break;
    farthest = Math.max(farthest, distance[n]);
    before += p[n];
  }
  return p.map((one, n) => distance[n] <= farthest ? one : 0);
}

/** The first rank whose cumulative probability exceeds the number. */
function rank(p, uniform) {
  const reached = Math.min(uniform, BELOW_1) * p.reduce((a, b) => a + b, 0);
  let cumulative = 0;
  const found = p.findIndex((one) => (cumulative += one) > reached);
  return found < 0 ? p.length - 1 : found;
}

/** Symbols one by one as they are chosen, one a number of `uniform`, up to one of `end`, which comes too. */
export async function* generate(step, id, states, uniform, {end = [], forbidden = [], ...settings} = {}) {
  for (const number of uniform) {
    const found = await step(id, states);
    [id, states] = [choose(found.log_probability, number, settings, forbidden), found.states];
    yield id;
    if (end.includes(id)) return;
  }
}

/**
 * The n best texts, best first: [{ids, score, log_probability, weights: [[S], …]}], the end included.
 * score = log P/L^alpha; a text of `most` symbols counts as ended.
 */
export async function beamSearch(step, id, states, most, {end, forbidden = [], ...settings}) {
  const {width, alpha, n_best} = {...BEAM, ...settings};
  const norm = (length) => Math.fround(Math.pow(length, alpha));
  let live = [{ids: [], last: id, log_probability: 0, states, weights: []}], found = [];
  for (let length = 1; length <= most && live.length; length += 1) {
    const worst = found[n_best - 1]?.score ?? NOTHING;
    if (live[0].log_probability / norm(most) <= worst) break;
    const next = (await continued(step, live, width, forbidden)).map(({from, id, log_probability}) => ({
      ids: [...from.ids, id], last: id, log_probability, states: from.after.states,
      weights: from.after.weights ? [...from.weights, from.after.weights] : from.weights}));
    const over = (one) => length === most || end.includes(one.last);
    const ended = next.filter(over).map((one) => ({
      ids: one.ids, log_probability: one.log_probability, weights: one.weights,
      score: Math.fround(one.log_probability / norm(length))}));
    found = [...found, ...ended].sort((a, b) => b.score - a.score).slice(0, n_best);
    live = next.filter((one) => !over(one));
  }
  return found;
}

/** The `width` most probable of all hypotheses with one more symbol: [{from, id, log_probability}]. */
async function continued(step, live, width, forbidden) {
  const best = [];
  for (const from of live) {
    from.after = await step(from.last, from.states);
    const scores = from.after.log_probability;
    for (let id = 0; id < scores.length; id += 1) {
      const log_probability = Math.fround(from.log_probability + scores[id]);
      const least = best.length < width ? NOTHING : best.at(-1).log_probability;
      if (!(log_probability > least) || forbidden.includes(id)) continue;
      const place = best.findIndex((one) => one.log_probability < log_probability);
      best.splice(place < 0 ? best.length : place, 0, {from, id, log_probability});
      best.length = Math.min(best.length, width);
    }
  }
  return best;
}

// The four heads: a text in, an answer out. They know no runtime: `run` answers a signature of a file.
//
//   await run(signature, {name: numbers}) → {name: numbers}, by the fixed sizes of `shapes`

import {BEAM, beamSearch, generate} from "./decoding.js";
import {END, Reader, START, UNKNOWN} from "./tokenizer.js";

const MORE = 10;            // symbols that a translation may have beyond `longest` times those of the source
const FEW = 8;              // symbols that are read one by one
const STATES = /^state_\d+$/;
const OFFSETS = ["start_char", "end_char", "start_utf16", "end_utf16", "start_byte", "end_byte"];

/** As many numbers as a shape has, of a list or of a list a token: cut, and 0 where there are none. */
function fitted(values, shape) {
  const count = shape.reduce((a, b) => a * b, 1);
  if (ArrayBuffer.isView(values) && values.length === count) return values;
  const found = new Array(count).fill(0);
  const [rows, width] = Array.isArray(values[0]) ? [values, shape.at(-1)] : [[values], found.length];
  rows.slice(0, found.length / width).forEach((row, n) =>
    row.slice(0, width).forEach((value, place) => { found[n * width + place] = value; }));
  return found;
}

const named = (labels, numbers) => Object.fromEntries(labels.map((label, n) => [label, numbers[n]]));
const best = (labels, numbers) => labels.reduce((most, _, n) => numbers[n] > numbers[most] ? n : most, 0);

class Head {
  /** facts: model.json; specification: tokenizer.json; shapes: {signature: {input: [sizes]}} */
  constructor({facts, specification, run, shapes}) {
    Object.assign(this, {facts, run, shapes});
    this.open(specification);
  }

  open(specification) {
    this.reader = new Reader(specification);
  }

  /** The outputs of a signature for what it takes of `inputs`. */
  ask(signature, inputs) {
    const taken = Object.entries(this.shapes[signature]).map(([name, shape]) =>
      [name, fitted(inputs[name], shape)]);
    return this.run(signature, Object.fromEntries(taken));
  }
}

/** {label, probabilities}, of several labels {label, chosen, probabilities}, or {values}. */
export class Classifier extends Head {
  async predict(text) {
    const {labels, kind, thresholds} = this.facts;
    const {probabilities, values} = await this.ask("ids", this.reader.read(text));
    if (values) return {values: named(labels, values)};
    const found = {probabilities: named(labels, probabilities)};
    if (kind !== "multi") return {label: labels[best(labels, probabilities)], ...found};
    const chosen = labels.filter((_, n) => probabilities[n] > (thresholds?.[n] ?? 0.5));
    return {label: chosen.join("|"), chosen, ...found};
  }
}

/** {tokens, tags, probability, start_utf16, …} a list each, with a scheme `spans`, with intents `intent` …. */
export class Tagger extends Head {
  async predict(text) {
    const {labels, scheme, intents} = this.facts;
    const inputs = this.reader.read(text);
    const {tags: ids, marginals, intents: p} = await this.ask("ids", inputs);
    const count = Math.min(inputs.tokens.length, ids.length), cut = (list) => list.slice(0, count);
    const tags = Array.from(cut(ids), (id) => labels[id]);
    const found = {tokens: cut(inputs.tokens), tags,
      probability: tags.map((_, n) => marginals[n * labels.length + ids[n]])};
    for (const name of OFFSETS) found[name] = cut(inputs[name]);
    if (scheme) {
      found.spans = spans(tags).map(([first, last, type]) => ({type, ...Object.fromEntries(OFFSETS.map(
        (name) => [name, found[name][name.startsWith("start") ? first : last - 1]]))}));
    }
    if (p) {
      const intent = intents[best(intents, p)], all = named(intents, p);
      Object.assign(found, {intent, confidence: all[intent], intents: all});
    }
    return found;
  }
}

/** [[first, last, type], …] of tags in BIO, IOB1 or BIOES, the last exclusive. */
export function spans(tags) {
  const found = [];
  let start = 0, before = "O", typeBefore = "";
  for (const [n, tag] of [...tags, "O"].entries()) {
    const letter = tag.split("-", 1)[0], type = tag.slice(letter.length + 1);
    if (before === "O" || letter === "O" || typeBefore !== type || "ES".includes(before) || "BS".includes(letter)) {
      if (before !== "O") found.push([start, n, typeBefore]);
      start = n;
    }
    [before, typeBefore] = [letter, type];
  }
  return found;
}

/** What follows a text, or from a label. */
export class Generator extends Head {
  get forbidden() {
    return [0, UNKNOWN, START, ...this.facts.labels.length ? [] : [END]];
  }

  /** The last id of what is read, and the states before it. A label stands for its first states. */
  async begin(text) {
    const {labels} = this.facts;
    if (labels.length && !labels.includes(text)) {
      throw new Error(`expected a label among ${labels.join(", ")}, received ${text}`);
    }
    const first = {ids: [], last: START, states: await this.ask("init", {ids: [START], label: [labels.indexOf(text)]})};
    if (labels.length) return first;
    const ids = this.reader.ids(text), {before} = this;
    const known = before && before.ids.every((id, n) => id === ids[n]) ? before : first;
    return this.before = await this.after(known, ids);
  }

  /** The same after more ids: what was read before stays read, as one types. */
  async after({ids: known, last, states}, ids) {
    const most = this.shapes.ids.ids[1];
    for (let start = known.length, next; start < ids.length; start = next) {
      next = ids.length - start < FEW ? start + 1 : start + most;
      const some = ids.slice(start, next);
      states = next === start + 1 ? (await this.step(last, states)).states :
        only(await this.ask("ids", {ids: some, previous: [last], ...states}));
      last = some.at(-1);
    }
    return {ids, last, states};
  }

  async step(id, states) {
    const found = await this.ask("step", {ids: [id], ...states});
    return {log_probability: found.log_probability, states: only(found)};
  }

  /** The pieces of text as they are chosen, one a number of `uniform` in [0, 1); settings of `choose`. */
  async* stream(text, {length = 200, uniform = Array.from({length}, Math.random), ...settings} = {}) {
    const {last, states} = await this.begin(text), inside = !this.facts.labels.length;
    const end = inside ? [] : [END], ids = [];
    let said = "";
    const step = (id, before) => this.step(id, before);
    for await (const id of generate(step, last, states, uniform, {...settings, end, forbidden: this.forbidden})) {
      ids.push(id);
      const now = this.reader.text(ids, {inside});
      yield now.slice(said.length);
      said = now;
    }
  }

  async predict(text, options) {
    let found = "";
    for await (const piece of this.stream(text, options)) found += piece;
    return {text: found};
  }

  /** What the most probable next symbols begin, up to the end of a word: [{text, probability of the first}]. */
  async suggestions(text, count = 3, most = 6) {
    const {last, states} = await this.begin(text);
    const first = await this.step(last, states), found = [];
    for (const id of this.likeliest(first.log_probability, count)) {
      found.push({text: await this.word(id, first.states, most), probability: Math.exp(first.log_probability[id])});
    }
    return found;
  }

  /** The ids of the largest log-probabilities, best first. */
  likeliest(log_probability, count) {
    const best = [];
    for (const [id, score] of log_probability.entries()) {
      if (this.forbidden.includes(id) || best.length === count && score <= log_probability[best.at(-1)]) continue;
      const place = best.findIndex((other) => log_probability[other] < score);
      best.splice(place < 0 ? best.length : place, 0, id);
      best.length = Math.min(best.length, count);
    }
    return best;
  }

  /** An id and what most probably follows it, before the next space. */
  async word(id, states, most) {
    const ids = [id];
    let said = this.reader.text(ids, {inside: true});
    while (ids.length < most) {
      const next = await this.step(ids.at(-1), states);
      const all = this.reader.text([...ids, ...this.likeliest(next.log_probability, 1)], {inside: true});
      if (said.trim() && /^\s|^$/.test(all.slice(said.length))) break;
      ids.push(...this.likeliest(next.log_probability, 1));
      [said, states] = [all, next.states];
    }
    return said;
  }
}

const only = (outputs) => Object.fromEntries(Object.entries(outputs).filter(([name]) => STATES.test(name)));

/** {translation, score}, with `n_best` above 1 translations, with attention source_tokens, tokens, alignment. */
export class Translator extends Head {
  open(specification) {
    this.reader = new Reader(specification, "source");
    this.target = new Reader(specification, "target");
  }

  async predict(text, options = {}) {
    const settings = {...BEAM, ...options};
    const ids = this.reader.ids(text).slice(0, this.shapes.init.ids[1]), words = this.reader.words(text);
    const encoded = await this.ask("init", {ids});
    const step = async (id, states) => {
      const {log_probability, weights, ...rest} = await this.ask("step", {...encoded, ...states, ids: [id]});
      this.attends = Boolean(weights);
      return {log_probability: this.attends ? log_probability : without(log_probability, UNKNOWN), weights,
        states: only(rest)};
    };
    const found = await beamSearch(step, START, only(encoded), this.facts.longest * ids.length + MORE,
      {...settings, end: [END], forbidden: [0, START]});
    const translations = found.map((one) => this.translated(one, words));
    return {...translations[0], ...settings.n_best > 1 ? {translations} : {},
      ...this.attends ? this.alignment(found[0], ids, words) : {}};
  }

  translated({ids, score, weights}, words) {
    const unknown = this.attends ? this.lookedAt(weights, words) : null;
    return {translation: this.target.text(ids, {unknown}), score};
  }

  /** The word of the source that was looked at most, for each row of weights. */
  lookedAt(weights, words) {
    return weights.map((row) => words[best(Array.from(row), row)] ?? "");
  }

  alignment({ids, weights}, source, words) {
    const looked = this.lookedAt(weights, words), length = ids.at(-1) === END ? ids.length - 1 : ids.length;
    return {source_tokens: source.map((id, n) => this.reader.text([id], {unknown: [words[n]]})),
      tokens: ids.slice(0, length).map((id, n) => this.target.text([id], {unknown: [looked[n]]})),
      alignment: weights.slice(0, length).map((row) => Array.from(row.slice(0, source.length)))};
  }
}

function without(log_probability, id) {
  const found = Float32Array.from(log_probability);
  found[id] = -Infinity;
  return found;
}

const HEADS = {generator: Generator, translator: Translator, tagger: Tagger, classifier: Classifier};

/** The head that model.json names. */
export function headOf(parts) {
  return new (HEADS[parts.facts.head] ?? Classifier)(parts);
}

// The page: a model is loaded when it is chosen, and answers as one types. Texts become nodes of text only.

const $ = (id) => document.getElementById(id);
const PROMPTS = {
  classifier: "A text to classify", tagger: "A sentence to tag", generator: "A text to go on with",
  translator: "A text to translate"};
const SHOWN = 8;             // labels with their probabilities
const LENGTH = 80;           // symbols that are generated at a press

/** An element with attributes and children; strings become text. */
function element(name, attributes = {}, ...children) {
  const found = Object.assign(document.createElement(name), attributes);
  found.append(...children);
  return found;
}

const bars = (probabilities) => Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, SHOWN)
  .map(([label, p], n) => element("div", {className: n ? "row" : "row first"}, element("span", {}, label),
    element("meter", {value: p, max: 1}), element("span", {}, `${(100 * p).toFixed(1)} %`)));

const ANSWERS = {
  async classifier(head, text) {
    const {probabilities, values} = await head.predict(text);
    return probabilities ? bars(probabilities) :
      Object.entries(values).map(([name, value]) => element("p", {}, `${name}: ${value.toFixed(3)}`));
  },
  async tagger(head, text) {
    const found = await head.predict(text);
    return [marked(text, found), ...found.intents ? bars(found.intents) : []];
  },
  async translator(head, text) {
    if (!text.trim()) return [];
    const {translation = "", source_tokens, tokens, alignment} = await head.predict(text);
    return [element("p", {className: "text"}, translation),
      ...alignment ? [attention(source_tokens, tokens, alignment)] : []];
  },
  async generator(head, text) {
    if (head.facts.labels.length) return [];
    const found = await head.suggestions(text);
    return [element("div", {id: "suggestions"}, ...found.map((one) =>
      element("button", {type: "button", onclick: () => typed(text + one.text)}, one.text || "…",
        element("small", {}, ` ${(100 * one.probability).toFixed(0)} %`))))];
  }};

/** A sentence with its spans marked, or with each token that has a tag. */
function marked(text, {tokens, tags, start_utf16, end_utf16, spans}) {
  const places = spans?.map(({start_utf16: start, end_utf16: end, type}) => [start, end, type]) ??
    tokens.map((_, n) => [start_utf16[n], end_utf16[n], tags[n]]).filter(([, , tag]) => tag !== "O");
  const found = element("p", {className: "text"});
  let at = 0;
  for (const [start, end, type] of places) {
    found.append(text.slice(at, start), element("mark", {}, text.slice(start, end), element("small", {}, type)));
    at = end;
  }
  found.append(text.slice(at));
  return found;
}

/** Where each symbol of the translation looked in the source. */
function attention(source, target, weights) {
  const head = element("tr", {}, element("th"), ...source.map((token) => element("th", {scope: "col"}, token)));
  const rows = target.map((token, n) => element("tr", {}, element("th", {scope: "row"}, token), ...weights[n].map((w) =>
    element("td", {title: w.toFixed(2), style: `background: rgba(31, 95, 153, ${w.toFixed(3)})`}))));
  return element("div", {className: "map"}, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

/** Show a latency; a clock that stands still, as for pictures, has none. */
function shownTime(milliseconds, unit) {
  $("time").textContent = milliseconds > 0 ? `${milliseconds.toFixed(1)} ${unit}` : "";
}

let head = null, choice = 0, turn = 0;
const heads = {};           // promises of those that are loaded, by name: none is loaded twice

/** Answer the text that stands there; only the last of several calls shows its answer. */
async function answer() {
  const mine = ++turn, start = performance.now(), kind = head.facts.head;
  const nodes = await ANSWERS[kind](head, $("text").value);
  if (mine !== turn) return;
  $("answer").replaceChildren(...nodes);
  shownTime(performance.now() - start, "ms");
  document.body.dataset.answered = String(mine);
}

function typed(text) {
  $("text").value = text;
  return answer();
}

/** A text that goes on, shown as it comes. */
async function goOn() {
  const mine = ++turn, labelled = head.facts.labels.length, start = performance.now();
  const prompt = labelled ? $("label").value : $("text").value;
  const shown = element("p", {className: "text"}, labelled ? "" : prompt);
  $("answer").replaceChildren(shown);
  let count = 0;
  for await (const piece of head.stream(prompt, {length: LENGTH})) {
    if (mine !== turn) return;
    shown.append(piece);
    count += 1;
    shownTime((performance.now() - start) / count, "ms a symbol");
    await new Promise(requestAnimationFrame);
  }
  document.body.dataset.answered = String(mine);
}

async function choose(model, button) {
  const mine = ++choice;
  turn += 1;                // what the model before still answers is not shown
  for (const other of $("models").children) other.ariaPressed = String(other === button);
  $("status").textContent = `loading ${model.name} …`;
  $("model").hidden = true;
  try {
    const start = performance.now();
    const {load} = await import("./litert.js");
    const loaded = await (heads[model.name] ??=
      load(`./models/${model.name}/model_web.tflite`, new URL("litert/wasm/", location.href).href));
    if (mine !== choice) return;
    head = loaded;
    $("status").textContent =
      `${model.name}: ${size(model)}, loaded in ${((performance.now() - start) / 1000).toFixed(1)} s`;
  } catch (error) {
    delete heads[model.name];
    if (mine === choice) $("status").textContent = `cannot load ${model.name}: ${error.message}`;
    return;
  }
  const labels = model.head === "generator" ? head.facts.labels : [];
  $("prompt").textContent = labels.length ? "A label" : PROMPTS[model.head] ?? "A text";
  $("label").replaceChildren(...labels.map((label) => element("option", {}, label)));
  $("label").hidden = !labels.length;
  $("text").hidden = Boolean(labels.length);
  $("actions").replaceChildren(...model.head === "generator" ?
    [element("button", {type: "button", onclick: goOn, id: "go"}, "Go on")] : []);
  $("model").hidden = false;
  await answer();
}

const size = (model) => `${(model.bytes / 1e6).toFixed(1)} MB`;

/** #model=NAME&text=… chooses a model and a text; &go=1 lets it go on. */
async function start() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const models = await (await fetch("models.json")).json();
  const buttons = models.map((model) => {
    const button = element("button", {type: "button", ariaPressed: "false"}, model.name,
      element("small", {}, ` ${size(model)}`));
    button.onclick = () => choose(model, button);
    return button;
  });
  $("models").replaceChildren(...buttons);
  $("text").addEventListener("input", answer);
  $("text").value = wanted.get("text") ?? "";
  const chosen = models.findIndex((model) => model.name === wanted.get("model"));
  if (chosen >= 0) await choose(models[chosen], buttons[chosen]);
  if (wanted.get("go")) await goOn();
}

await start();

// Text to what a TFLite file takes, and back, by tokenizer.json: docs/devices.md specifies it.

export const [UNKNOWN, START, END] = [1, 2, 3];

const FORMAT = 1;            // of tokenizer.json
const RESERVED = 4;          // ids of what no text holds: padding, unknown, start and end
const CHARACTERS = 24;       // of a word that n-grams are made of
const POINTS = 0x110000;
const [LOST, SIGMA, FINAL_SIGMA, APOSTROPHE, QUOTE, SPACE, LINE_FEED] =
  [0xfffd, 0x3a3, 0x3c2, 0x2019, 0x27, 0x20, 0x0a];
const [WORDS, SHAPES, ENDS] = [0, 1, 2];    // the letters of a class
const bytes = new TextEncoder();

/** The code points of a string; half a surrogate pair alone is U+FFFD. */
export function pointsOf(text) {
  return Array.from(text, (character) => {
    const point = character.codePointAt(0);
    return point >= 0xd800 && point < 0xe000 ? LOST : point;
  });
}

/** The string of code points; they may be too many for one call of fromCodePoint. */
function stringOf(points) {
  let found = "";
  for (const point of points) found += String.fromCodePoint(point);
  return found;
}

const plain = (points) => points.map((point) => point === APOSTROPHE ? QUOTE : point);

/** How a text is cut and written small. */
export class Tables {
  constructor({format, characters, automata}) {
    if (format !== FORMAT) {
      throw new Error(`expected tokenizer.json of format ${FORMAT}, received ${format}: copy export/web again`);
    }
    this.classes = characters.classes;
    this.numbers = new Uint8Array(POINTS);
    const {ranges} = characters;
    for (let n = 0; n < ranges.length; n += 2) {
      this.numbers.fill(ranges[n + 1], ranges[n], ranges[n + 2] ?? POINTS);
    }
    this.small = new Map(Object.entries(characters.lower_more).map(([point, more]) => [Number(point), more]));
    for (const [first, last, step, distance] of characters.lower) {
      for (let point = first; point <= last; point += step) this.small.set(point, [point + distance]);
    }
    this.automata = Object.fromEntries(Object.entries(automata).map(([name, states]) => [name, linked(states)]));
  }

  letter(point, place) {
    return this.classes[this.numbers[point]][place];
  }

  /** [[start, end], …] of the tokens: from each place the longest of the automaton's. */
  cut(points, name) {
    const letters = points.map((point) => this.letter(point, WORDS)), found = [];
    for (let start = 0, end; start < points.length; start = Math.max(end, start + 1)) {
      let state = this.automata[name];
      end = start;
      for (let at = start; at < points.length && (state = state.next.get(letters[at])); ) {
        at += 1;
        if (state.value) end = at;
      }
      if (end > start) found.push([start, end]);
    }
    return found;
  }

  /** Code points in lower case; a Σ that ends a word is ς. */
  lower(points) {
    const final = points.includes(SIGMA) ? this.finalSigmas(points) : null;
    return points.flatMap((point, at) => final?.has(at) ? FINAL_SIGMA : this.small.get(point) ?? point);
  }

  /** The places of each Σ after a cased letter and before none, ignored characters apart. */
  finalSigmas(points) {
    const found = new Set();
    let after = false, candidate = -1;        // whether the letter before is cased; a Σ that may be final
    for (const [at, point] of points.entries()) {
      const letter = this.letter(point, ENDS);
      if (letter === "i") continue;
      if (letter !== "c" && candidate >= 0) found.add(candidate);
      candidate = point === SIGMA && after ? at : -1;
      after = letter === "c";
    }
    return candidate >= 0 ? found.add(candidate) : found;
  }

  /** Which letters a token has: 1 lower, 2 Title, 3 UPPER, 4 mIXed, 5 a number, 6 signs, 7 other. */
  shape(points) {
    let state = this.automata.shape;
    for (const point of points) state = state.next.get(this.letter(point, SHAPES));
    return state.value;
  }
}

/** The first of the states [[value, {letters: number}], …] as {value, next: Map of letter → state}. */
function linked(states) {
  const found = states.map(([value]) => ({value, next: new Map()}));
  states.forEach(([, following], n) => {
    for (const [letters, after] of Object.entries(following)) {
      for (const letter of letters) found[n].next.set(letter, found[after]);
    }
  });
  return found[0];
}

/** From texts to what a signature takes, and back; side is "text", "source" or "target". */
export class Reader {
  constructor(specification, side = "text") {
    this.tables = new Tables(specification);
    this.settings = specification[side];
    this.tokens = this.settings.vocabulary;
    this.places = new Map(this.tokens.map((token, id) => [token, id]));
    this.alphabet = this.settings.alphabet &&
      new Map(this.settings.alphabet.map((letter, id) => [letter, id]));
    this.longest = this.tokens.reduce((most, token) => Math.max(most, [...token].length), 0);
  }

  /** {input: list} of a text; of a sentence that is tagged also its tokens with their offsets. */
  read(text) {
    const points = pointsOf(text);
    return this.alphabet ? this.sentence(points) :
      {ids: this.ids(text), code_points: this.codePoints(points)};
  }

  // A text as a whole.

  /** Ids of a text's tokens. */
  ids(text) {
    return this.parts(text).flatMap(([, ids]) => ids).slice(0, this.settings.max_length ?? undefined);
  }

  /** The word that each id is of. */
  words(text) {
    return this.parts(text).flatMap(([word, ids]) => ids.map(() => word));
  }

  /** Code points of the first characters of each word. */
  codePoints(points) {
    const normalised = this.normalised(points);
    return this.tables.cut(normalised, "word").slice(0, this.settings.max_length ?? undefined)
      .map(([start, end]) => plain(normalised.slice(start, Math.min(end, start + CHARACTERS))));
  }

  normalised(points) {
    const whole = points.map((point) => point || LOST);
    return this.settings.lowercase ? this.tables.lower(whole) : whole;
  }

  /** [[word, its ids], …] of a text. */
  parts(text) {
    return this.split(this.normalised(pointsOf(text))).map((word) =>
      [word, this.settings.longest_word ? this.pieces(word) : [this.places.get(word) ?? UNKNOWN]]);
  }

  /** A text's words or characters; a byte is the character of the same number. */
  split(points) {
    const {automaton, line_space, word_space, apostrophe} = this.settings;
    if (this.settings.bytes) return Array.from(bytes.encode(stringOf(points)), (byte) => String.fromCharCode(byte));
    if (line_space) {       // A line begins with a space, as any other word.
      points = points.flatMap((point, at) =>
        point !== LINE_FEED && (at === 0 || points[at - 1] === LINE_FEED) ? [SPACE, point] : [point]);
    }
    return this.tables.cut(points, automaton).map(([start, end]) => {
      const word = stringOf(apostrophe ? plain(points.slice(start, end)) : points.slice(start, end));
      return word_space && word !== "\n" ? ` ${word}` : word;
    });
  }

  /** The longest known piece first, what follows as ##piece; [1] if some part is unknown. */
  pieces(word) {
    if (bytes.encode(word).length > this.settings.longest_word) return [UNKNOWN];
    const characters = [...word], found = [];
    for (let start = 0, end; start < characters.length; start = end) {
      let piece;
      for (end = Math.min(characters.length, start + this.longest); end > start; end -= 1) {
        piece = this.places.get((start ? "##" : "") + characters.slice(start, end).join(""));
        if (piece !== undefined) break;
      }
      if (end === start) return [UNKNOWN];
      found.push(piece);
    }
    return found;
  }

  /**
   * The text that ids stand for, up to the end.
   * unknown: what each id would be if it is that of an unknown word
   * inside:  whether the text goes on inside a line, where a first space is one
   */
  text(ids, {unknown = null, inside = false} = {}) {
    const characters = this.settings.automaton === "each", subwords = this.settings.longest_word;
    let found = "";
    for (const [n, id] of Array.from(ids).entries()) {
      if (id === END) break;
      if (id === UNKNOWN) {
        const word = unknown ? unknown[n].replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "") : "\ufffd";
        found += characters ? word : ` ${word}`;
      } else if (id >= RESERVED) {
        found += subwords ? this.tokens[id].replace(/^##/, "") : this.tokens[id];
      }
    }
    if (characters) return found;
    return inside ? found.replaceAll("\n ", "\n") : found.replace(/(^|\n) /g, "$1");
  }

  // A text token by token.

  /** What a tagger reads, and {tokens, start_char, end_char, start_utf16, …}, a list each. */
  sentence(points) {
    const places = this.tables.cut(points, this.settings.automaton);
    const tokens = places.map(([start, end]) => points.slice(start, end));
    const {max_characters} = this.settings;
    return {
      ids: tokens.map((token) => this.places.get(this.key(token)) ?? UNKNOWN),
      characters: tokens.map((token) => token.slice(0, max_characters)
        .map((point) => this.alphabet.get(String.fromCodePoint(point)) ?? UNKNOWN)),
      shapes: tokens.map((token) => this.tables.shape(token)),
      code_points: tokens.map((token) => this.tables.lower(token).slice(0, CHARACTERS)),
      tokens: tokens.map(stringOf), ...offsets(points, places)};
  }

  /** A token as the vocabulary has it. */
  key(points) {
    const {lowercase, digits} = this.settings;
    const key = plain(lowercase ? this.tables.lower(points) : points);
    return stringOf(digits ? key.map((point) => this.tables.letter(point, WORDS) === "d" ? 0x30 : point) : key);
  }
}

const UNITS = {
  char: () => 1,
  utf16: (point) => point > 0xffff ? 2 : 1,
  byte: (point) => point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4};

/** Where tokens start and end, in each unit: {start_char: […], end_char: […], …}. */
function offsets(points, places) {
  const found = {};
  for (const [unit, size] of Object.entries(UNITS)) {
    const at = [0];
    for (const point of points) at.push(at.at(-1) + size(point));
    found[`start_${unit}`] = places.map(([start]) => at[start]);
    found[`end_${unit}`] = places.map(([, end]) => at[end]);
  }
  return found;
}

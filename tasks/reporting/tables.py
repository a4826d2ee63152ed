"""The result of a run as people read it in a terminal."""

import textwrap

from tasks.reporting.metric import metric, ordered

SPELLED = ("bits/char charge an unknown token its spelling, log2 257 bits a byte and for its end; ppl "
           "and nats count it as one token.")


def rows(facts):
    """{variant: {column: value}}: baselines, the model and its files, all on the test split."""
    exports = facts["exports"]
    table = {name: short(metrics) for name, metrics in facts["baselines"].items()}
    table[facts["model"]] = short(facts["test"])
    files = {"SavedModel": exports["saved_model"],
             **{f"TFLite {variant}": entry for variant, entry in exports["tflite"].items()}}
    for name, entry in files.items():
        if "test" in entry:
            table[name] = {**short(entry["test"]), "kB": entry["bytes"] // 1000,
                           "ms": entry["milliseconds"], "p95": entry.get("milliseconds_p95")}
    return table


def short(metrics):
    """The metrics a table has room for, by their short names."""
    return {metric(name).short: metrics[name] for name in ordered(metrics) if metric(name).is_shown}


def line(metrics):
    """The same in one line.

    >>> line({"accuracy": 0.75, "log_loss": 0.5})
    'accuracy 0.7500  log_loss 0.5000'
    """
    return "  ".join(f"{name} {number(value)}" for name, value in short(metrics).items())


def show(facts):
    """Print the table of a run's metrics.json."""
    table = rows(facts)
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    print(f"\n{facts['corpus']}, test split; {facts['parameters']:,} parameters of "
          f"{facts['weights']:,} weights, {facts['train']['epochs']} epochs in "
          f"{facts['train']['seconds']:.0f} s, {facts['train']['tokens_per_second']:,.0f} tokens/s\n")
    print(f"{'':26}" + "".join(f"{column:>10}" for column in columns))
    for name, row in table.items():
        print(f"{name:26}" + "".join(f"{number(row.get(column)):>10}" for column in columns))
    for note in notes(facts):
        print(f"\n{note}")
    if "written" in facts:
        print(f"\n{written(facts['written'])}")
    for variant, entry in facts["exports"]["tflite"].items():
        if "file" not in entry:
            print(f"TFLite {variant} was not written: {entry.get('refused') or entry['error']}")


def notes(facts):
    """What must be known of the table's numbers: sentences.

    >>> static = {"length": 9, "longer": 2, "not_measured": ["log_loss"]}
    >>> print(*notes({"exports": {"tflite": {"static": static}}}))
    TFLite static cuts texts of more than 9 tokens, 2 of the test split; not measured: log_loss.
    """
    found = [SPELLED] * bool(facts.get("test", {}).get("unknown_share"))
    for variant, entry in facts["exports"]["tflite"].items():
        if "longer" in entry:
            left_out = "; not measured: " * bool(entry["not_measured"]) + ", ".join(entry["not_measured"])
            found.append(f"TFLite {variant} cuts texts of more than {entry['length']:,} tokens, "
                         f"{entry['longer']:,} of the test split{left_out}.")
    return found


def written(check):
    """What `tasks.generation.label_check` found, in a sentence.

    >>> written({"written": 9, "new": 0.8, "distinct": 1, "as_labelled": 0.75, "real_as_labelled": 0.9})
    '9 texts written for each label: 80 % are new; 75 % are classified as their label, of real texts 90 %'
    """
    percent = {name: f"{100 * value:.0f} %" for name, value in check.items()}
    return (f"{check['written']:,} texts written for each label: {percent['new']} are new; "
            f"{percent['as_labelled']} are classified as their label, of real texts "
            f"{percent['real_as_labelled']}")


def number(value):
    """A number in at most eight characters; nothing for None.

    >>> number(0.77), number(1234), number(None)
    ('0.7700', '1,234', '')
    """
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def shown(text, width=60):
    """A text as it fits into a line of a terminal."""
    return textwrap.shorten(" ".join(text.split()), width, placeholder=" …")


def chosen(row):
    """The labels that a prediction gives: of several, which a name's own "|" does not part, the list.

    >>> chosen({"label": "a|c", "chosen": ["a", "c"]}), chosen({"label": "a|c"})
    (['a', 'c'], ['a|c'])
    """
    return row.get("chosen", [row["label"]])


def likeliest(p, count):
    """The labels of the greatest probabilities, falling: {label: p}."""
    return dict(sorted(p.items(), key=lambda pair: -pair[1])[:count])


def prediction(row):
    """One line for one text's prediction: the label and how sure the model is, or the value.

    >>> prediction({"label": "good", "probabilities": {"bad": 0.1, "good": 0.9}})
    'good          90 %'
    >>> prediction({"values": {"value": 2.5}})
    '2.500'
    """
    if "values" in row:
        return "  ".join(f"{value:.3f}" for value in row["values"].values())
    sure = [f"{row['probabilities'][name]:.0%}".replace("%", " %") for name in chosen(row)]
    return f"{row['label'] or '(none)':12}  {', '.join(sure)}"


def marked(row, text):
    """A text with its spans in brackets; without spans, every token with its tag.

    >>> row = {"tokens": ["in", "Łódź", "?"], "tags": ["O", "S-place", "O"],
    ...        "spans": [{"type": "place", "start_char": 3, "end_char": 7}]}
    >>> marked(row, "in Łódź?")
    'in [Łódź place]?'
    >>> row["tags"] = ["ADP", "PROPN", "PUNCT"]
    >>> marked({**row, "spans": None}, "in Łódź?")
    'in/ADP Łódź/PROPN ?/PUNCT'
    """
    if row.get("spans") is None:
        return " ".join(f"{token}/{tag}" for token, tag in zip(row["tokens"], row["tags"]))
    parts, at = [], 0
    for span in row["spans"]:
        start, end = span["start_char"], span["end_char"]
        parts += [text[at:start], f"[{text[start:end]} {span['type']}".rstrip(), "]"]
        at = end
    return "".join([*parts, text[at:]])

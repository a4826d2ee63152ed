"""MODEL_CARD.md: what a reader must know before using the exported files of a model. Knows no task."""
import os
import pathlib

from export import cannot_write

FACTS = ("title", "summary", "data", "terms", "sizes", "variants", "seed", "command",
         "signatures", "limits")
OPTIONAL = {"labels": {}, "per_class": {}, "errors": [], "use": []}


def write(path, facts):
    """Write the model card at `path`, replacing an older one atomically.

    Args:   facts  a dict with all of
                title, summary, data, terms, command   text (`terms`: of the data)
                sizes                                  {name: number or text}
                variants                               {variant: {column: value}}, a row each
                per_class                              {label: {column: value}}, a row each; optional
                labels                                 {label: number of training examples}; optional
                use                                    lines that call the model; optional
                errors                                 list of lines, the worst predictions; optional
                seed                                   int
                signatures                             {name: {"takes": text, "returns": text,
                                                       "example": text}}; see `saved_model.describe`;
                                                       empty where nothing is exported
                limits                                 list of sentences
    Raises: ValueError: names the facts that are missing or unknown; ExportError: cannot write
    """
    text = card(facts)
    path = pathlib.Path(path)
    draft = path.with_name(f".{path.name}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise cannot_write(path.parent, error) from None


def card(facts):
    """The text of the card; see `write`."""
    facts = {**OPTIONAL, **facts}
    missing, extra = sorted(set(FACTS) - set(facts)), sorted(set(facts) - {*FACTS, *OPTIONAL})
    if missing or extra:
        raise ValueError(f"expected the facts {', '.join(FACTS)}; missing: "
                         f"{', '.join(missing) or 'none'}; unknown: {', '.join(extra) or 'none'}")
    sections = {
        "Use": "\n".join(["```", *facts["use"], "```"]) if facts["use"] else "",
        "Data": f"{facts['data']}{counts(facts['labels'])}\n\nTerms: {facts['terms']}",
        "Size": "\n".join(f"* {name}: {number(value)}" for name, value in facts["sizes"].items()),
        "Results": table(facts["variants"], "variant"),
        "Per class": table(facts["per_class"], "label") if facts["per_class"] else "",
        "Worst errors": "\n".join(f"* {error}" for error in facts["errors"]),
        "Reproduce": f"Seed {facts['seed']}.\n\n```\n{facts['command']}\n```",
        "Signatures": "The first axis of every tensor is the batch; `?` is any size; an input with `=` "
                      "is optional and has that default. An example is the body of a request to TF "
                      "Serving's REST API.\n\n"
                      + table(facts["signatures"], "signature") if facts["signatures"] else "",
        "Limits": "\n".join(f"* {limit}" for limit in facts["limits"]),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    return f"# {facts['title']}\n\n{facts['summary']}\n\n{body}\n"


def counts(labels):
    """The training examples of each label, in a sentence after a space; nothing without labels.

    >>> counts({"good": 1200, "bad": 800})
    ' Labels in training: good 1,200, bad 800.'
    """
    listed = ", ".join(f"{label} {count:,}" for label, count in labels.items())
    return f" Labels in training: {listed}." * bool(labels)


def table(rows, corner):
    """A Markdown table of {row: {column: value}}; a column that a row lacks is shown as –.

    >>> print(table({"float32": {"bytes": 48000, "accuracy": .8125}, "int8": {"bytes": 12000}},
    ...             "variant"))
    | variant | bytes | accuracy |
    |---|---|---|
    | float32 | 48,000 | 0.8125 |
    | int8 | 12,000 | – |
    """
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[corner, *columns], ["---"] * (1 + len(columns))]
    lines += [[name, *(cell(row.get(column)) for column in columns)] for name, row in rows.items()]
    head, rule, *body = lines
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|",
                      *(f"| {' | '.join(line)} |" for line in body)])


def cell(value):
    """A value as text of a cell: None is –, and | is escaped."""
    return "–" if value is None else number(value).replace("|", "\\|").replace("\n", " ")


def number(value):
    """Whole numbers by thousands, others to four digits, the rest as text.

    >>> number(1234567), number(0.81254), number(12.5), number("word")
    ('1,234,567', '0.8125', '12.5', 'word')
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"

"""docs/models.md, made of what about.json of each pretrained model says."""

from benchmarks.pretrained.conversions import CONVERSIONS
from tasks.reporting.tables import short
from zoo import trained

INTRODUCTION = """# Pretrained models

<!-- python -m benchmarks.pretrained --documents > docs/models.md -->

These models come with the package. Each is an int8 TFLite file, which answers without TensorFlow, and
the network with its weights in float16, from which training goes on and a server's files are written.

```sh
python -m zoo.trained                                                            # this table
python -m tasks.sentiment --model_from=banking-intents --predict "My card is lost."
python -m tasks.sentiment --model_from=banking-intents --input=new.csv --output=predicted.csv
python -m tasks.sentiment --init_from=banking-intents --corpus=mine.csv --output_dir=runs/mine
python -m export.run banking-intents "My card is lost."
python -m export.serve banking-intents
```

```python
>>> import zoo
>>> zoo.load("banking-intents").predict("My card is lost.")[0]["label"]
'lost_or_stolen_card'
```

Quality is that of the int8 file on the test split of the corpus, and all choices were made on the
validation split. The test split was scored once; of `sentiment-en`, `pos-en` and `home-intents-slots`
twice, since a first model was larger than wanted, and of `shakespeare`, since a first one was worse on
the validation split. The taggers were trained before the weights of features were fitted, and before
words that training has once were left to their vectors: their commands give other models now.

In the tables `log_loss` is the mean −log p of the right label, `ece` how far probabilities are from
how often they are right, `tokens` the share of tokens with the right tag, `unseen` that of words that
the model does not know, `both` the share of sentences with the right intent and all tags right, `exact`
the share of translations equal to a reference, `unknown` the share of tokens read as unknown."""
FINETUNING = """## Fewer labels

Accuracy on the test split of Senti4SD (posts of Stack Overflow: positive, negative or neutral), by the
number of labelled texts, from `sentiment-en` and by the recipe alone, which took no word vectors when
this was measured; one draw of the texts:

| texts | from sentiment-en | afresh |
|---|---|---|
| 50 | 81.2 | 60.5 |
| 100 | 81.6 | 61.2 |
| 300 | 82.2 | 70.6 |
| 1,000 | 86.4 | 81.6 |
| 2,795 | 86.9 | 85.4 |

`python -m benchmarks.finetuning sentiment-en corpora/senti4sd --seeds=1` makes this table. In Python it
is `sentiment.fit(texts, labels, start="sentiment-en")`: the network is built as the model's own, and
words and labels that it knows start from its weights."""
TRAINING = """## Train one again

`python -m benchmarks.pretrained NAME` says what to download and which command trains NAME. Those that do
not read their corpus as it is ({converted}) have it written by
`python -m benchmarks.pretrained NAME CLONE CORPUS`: CLONE is the clone of the repository, for `names-en`
a folder that holds both; CORPUS is what the command reads. `language-id` was trained on another draw of
5,000 sentences a language than the one this command makes. Word vectors stand in
`corpora/glove.6B.100d.txt.gz`. `python -m benchmarks.pretrained --keep NAME` puts the run into the
package. Minutes are those of a CPU core that other programs used too."""


def page():
    """The text of docs/models.md."""
    every = trained.pretrained()
    cards = [card(name, about) for name, about in every.items()]
    converted = ", ".join(f"`{name}`" for name in every if name in CONVERSIONS)
    return "\n\n".join([INTRODUCTION, trained.table(), *cards, FINETUNING,
                        TRAINING.format(converted=converted)])


def card(name, about):
    """The section of a model."""
    measured = {**{f"baseline: {one}": found for one, found in about["baselines"].items()},
                "float16 weights": about["float16"], "**int8 file**": about["test"]}
    parts = [f"## {name}",
             f"{about['predicts'].capitalize()}; `tasks.{about['task']}`, {about['language']}. "
             f"{about['parameters']:,} trained parameters, {about['kB']:,} kB.",
             table({row: short(found) for row, found in measured.items()}),
             "\n".join(["```text", *map(shown, about["examples"]), "```"]),
             "\n".join(f"* {sentence}" for sentence in [*about["outside"], *about["bounds"]]),
             f"Corpus: {about['corpus']}. Licence of the weights: {about['licence']}. Attribution: "
             f"{about['attribution']}." + f" Also: {about['also']}." * bool(about["also"]),
             f"```sh\n{about['command']}    # {about['minutes']:.0f} min of training\n```"]
    return "\n\n".join(part for part in parts if part)


def shown(example):
    """What was asked and what was answered, in one line.

    >>> shown(["Hi.", "en  99 %   Hi."]), shown(["Ja.", "Yes."])
    ('en  99 %   Hi.', 'Ja.  →  Yes.')
    """
    text, answer = example
    return answer if text in answer else f"{text}  →  {answer}"


def table(rows):
    """{row: {column: number}} as Markdown, in the columns of the last row."""
    columns = list(list(rows.values())[-1])
    lines = [["", *columns], ["---"] * (1 + len(columns))]
    lines += [[name, *(f"{found[one]:.4f}" if one in found else "–" for one in columns)]
              for name, found in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""What starting from a pretrained classifier brings, by the number of labelled texts.

    python -m benchmarks.finetuning sentiment-en corpora/senti4sd --sizes=50,100,300,1000 --seeds=3

Trains on so many texts of the corpus, and on all, once from the pretrained model and once afresh by the
recipe; validation is a tenth of them. Prints accuracy on the test split, mean ± deviation over the seeds,
as Markdown.
"""

import dataclasses
import random
import sys

import numpy as np

from tasks import cli, options, sentiment
from tasks.sentiment import corpora
from zoo.options import Options, option


@dataclasses.dataclass(frozen=True)
class FinetuningOptions(Options):
    """Of this program."""

    sizes: tuple = option((50, 100, 300, 1000), "Numbers of labelled texts.", of=int, least=20)
    seeds: int = option(3, "Number of draws of the texts, each with its own start.", least=1)


def accuracy(corpus, size, seed, start):
    """Of a model that learnt from so many texts of training, on the test split."""
    examples = random.Random(seed).sample(corpus.train, size)
    held = size // 10
    validation, train, test = ([list(column) for column in zip(*some)]
                               for some in (examples[:held], examples[held:], corpus.test))
    model = sentiment.fit(*train, validation=validation, start=start, seed=seed, verbose=False)
    found = [row["label"] for row in model.predict(test[0])]
    return 100 * np.mean([one == other for one, other in zip(found, test[1])])


def main(name, path, settings):
    corpus = corpora.load(path)
    print(f"| texts | from {name} | afresh |\n|---|---|---|")
    sizes = [size for size in settings.sizes if size < len(corpus.train)]
    for size in [*sizes, len(corpus.train)]:
        cells = [f"{size:,}"]
        for start in (name, None):
            found = [accuracy(corpus, size, seed, start) for seed in range(settings.seeds)]
            cells.append(f"{np.mean(found):.1f} ± {np.std(found):.1f}")
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        cli.fail("expected a pretrained classifier and a corpus, received too few")
    given = cli.parse(options.settings(benchmark=FinetuningOptions), [sys.argv[0], *sys.argv[3:]])
    cli.guarded(lambda: main(*sys.argv[1:3], given))

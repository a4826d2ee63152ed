"""What a finished training leaves: exports, measures of every file, pictures, a model card."""

import dataclasses
import json
import shlex

import numpy as np

from export import model_card, saved_model
from tasks import exporting
from tasks.reporting import plots, tables
from tasks.reporting.comparison import beaten
from tasks.reporting.report import error_line


class Results:
    """The last part of a `tasks.task.Task`."""

    unit, without_labels = "texts", "a number"
    alternative = {}        # {option: value} of what to try if a baseline is better

    def finish(self, run, head, corpus, data, result):
        """Export, if that is wanted, measure every file on the test split, and write all results."""
        test, predictions = data["test"], self.predictions(head, data)
        report, counted = test.report(predictions["test"]), self.baselines(corpus, data, head)
        facts = {
            "task": self.name, "corpus": corpus.name,
            "model": self.settings.model, "seed": self.settings.seed,
            "command": self.settings.command(f"tasks.{self.name}"),
            "parameters": sizes(head.network.trainable_weights), "weights": sizes(head.network.weights),
            "engine": head.network.engine_in_use, **self.facts(head, corpus),
            "train": {"seconds": result.seconds, "tokens_per_second": result.tokens_per_second,
                      "epochs": result.epochs},
            **{split: data[split].metrics(predictions[split]) for split in predictions},
            **{name: {baseline: data[split].metrics_of_baseline(found[split])
                      for baseline, found in counted.items()}
               for split, name in (("validation", "validation_baselines"), ("test", "baselines"))}}
        facts["report"] = {name: value for name, value in report.items() if name != "metrics"}
        run.write_lines("test_predictions.jsonl", test.rows(predictions["test"]))
        print(f"\ntest split: {tables.line(facts['test'])}")
        facts["exports"] = exporting.NONE
        if self.settings.export:
            facts["exports"] = exporting.export(run, head, data, predictions, self.settings.force,
                                                self.settings.tf_serving, self.settings.onnx)
        folder = run.folder / "plots"
        folder.mkdir(exist_ok=True)
        plots.learning_curves([self.curves(row) for row in result.history],
                              folder / "learning_curves.png", test.unit)
        self.draw(folder, head, test.targets, predictions["test"])
        self.record(run, head, corpus, facts)
        self.show_predictions(head, corpus)
        self.say_next(run, head, beaten(facts))

    def say_next(self, run, head, sentences):
        """The last lines: what is wrong with the model, and the command that one enters next."""
        print("".join(f"\n{sentence}\n" for sentence in sentences), end="")
        tried = {name: getattr(self.settings, name) for name in self.alternative}
        if sentences and tried != self.alternative:
            other = {**self.alternative, "output_dir": f"{run.folder}_auto"}
            again = dataclasses.replace(self.settings, **other, given=(*self.settings.given, *other))
            print(f"try: {again.command(f'tasks.{self.name}')}")
        given = [f"--output_dir={run.folder}"] * ("output_dir" in self.settings.given)
        way = ["--predict", self.question(head)] if self.settings.export else ["--mode=export"]
        command_line = ["python", "-m", f"tasks.{self.name}", *given, *way]
        print(f"\nnext: {shlex.join(command_line)}")

    def facts(self, head, corpus):
        """What else belongs into the metrics."""
        return {}

    def curves(self, row):
        """What is drawn of an epoch's row of the history: by default all."""
        return row

    def draw(self, folder, head, targets, predictions):
        """The pictures that people look at for this task."""

    def label_counts(self, corpus):
        """{label: number of training examples}, the most frequent first."""
        return {}

    def calls(self, run, head):
        """What calls the trained model: on the command line, on a device, from Python."""
        folder, text = run.folder, json.dumps(self.question(head), ensure_ascii=False)
        return [f"python -m tasks.{self.name} --output_dir={folder} --predict {text}",
                f"python -m export.run {folder}/tflite/model_float32.tflite {text}",
                f'python -c \'import zoo; print(zoo.load("{folder}").predict({text}))\'']

    def described(self, corpus):
        """What is predicted, in a few words: by default one of these labels."""
        return ", ".join(corpus.labels) or self.without_labels

    def record(self, run, head, corpus, facts):
        """Write the model card and, last, the metrics that say the run is finished; show them."""
        model_card.write(run.folder / "MODEL_CARD.md", {
            "title": f"{facts['model']} on {corpus.name}",
            "summary": f"{self.kind}: {self.described(corpus)}.",
            "data": "{}: {:,} {unit} for train, {:,} for validation and {:,} for test.".format(
                corpus.name, *self.counted(corpus).values(), unit=self.unit)
            + read_with(head, self.settings),
            "terms": corpus.terms,
            "labels": self.label_counts(corpus),
            "use": self.calls(run, head),
            "sizes": {"trained parameters": facts["parameters"], "weights": facts["weights"],
                      "training seconds": facts["train"]["seconds"], "epochs": facts["train"]["epochs"]},
            "variants": tables.rows(facts),
            "per_class": facts.get("report", {}).get("per_class", {}),
            "errors": [error_line(row) for row in facts.get("report", {}).get("errors", [])],
            "seed": facts["seed"],
            "command": facts["command"],
            "signatures": facts["exports"]["saved_model"] and saved_model.describe(
                run.folder / "saved_model"),
            "limits": ["Trained on one corpus: texts of another kind get worse predictions.",
                       *self.limits(), *tables.notes(facts), *beaten(facts)]})
        run.write_json("metrics.json", facts)
        tables.show(facts)

    def question(self, head):
        """A text to call the trained model with."""
        return self.example

    def show_predictions(self, head, corpus, count=4):
        """A few test texts with the model's predictions."""


def read_with(head, settings):
    """A sentence, after a space, of the vectors that a model reads with; "" where it has none."""
    if not getattr(head.network, "vectors", None):
        return ""
    return f" Its tokens are read with the vectors of {settings.vectors or settings.init_from}."


def sizes(weights):
    """How many numbers the weights hold."""
    return int(sum(np.prod(weight.shape) for weight in weights))

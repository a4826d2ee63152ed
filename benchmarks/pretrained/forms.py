"""How many poems that tang-poems writes have the form that they were asked for.

    python -m benchmarks.pretrained.forms

A hundred of each form, four lines of 5 or of 7 characters, at three temperatures.
"""

from benchmarks.pretrained.conversions import FORMS, has_form
from export import run
from tasks import cli
from zoo import trained

COUNT, LENGTH = 100, 60
TEMPERATURES = 0.5, 0.8, 1.0


def share(model, temperature):
    """The share of poems that have their form."""
    asked = [form for form in FORMS for _ in range(COUNT)]
    found = model.predict(list(map(str, asked)), LENGTH, temperature=temperature)
    return sum(has_form(one["text"], form) for one, form in zip(found, asked)) / len(asked)


def main():
    model = run.load(trained.file("tang-poems"))
    for temperature in TEMPERATURES:
        print(f"temperature {temperature}: {share(model, temperature):.3f} of {COUNT * len(FORMS)}")


if __name__ == "__main__":
    cli.guarded(main)

"""The settings of decoding: their ranges, and what reads them."""

import dataclasses
import inspect

import pytest

from heads import generator, translator
from zoo.decoding import sampling
from zoo.decoding.beam_search import beam_search
from zoo.decoding.options import BeamOptions, SamplingOptions


@pytest.mark.parametrize("options, wrong, message", [
    (SamplingOptions, {"temperature": -1}, "temperature: expected a number of at least 0, received -1"),
    (SamplingOptions, {"top_k": 1.5}, "top_k: expected a whole number of at least 0, received 1.5"),
    (SamplingOptions, {"top_p": 1.1}, "top_p: expected a number from 0 to 1, received 1.1"),
    (SamplingOptions, {"typical": -0.1}, "typical: expected a number from 0 to 1, received -0.1"),
    (SamplingOptions, {"repetition_penalty": 0}, "repetition_penalty: expected .*, received 0"),
    (BeamOptions, {"width": 0}, "width: expected a whole number from 1 to 64, received 0"),
    (BeamOptions, {"alpha": -1}, "alpha: expected a number of at least 0, received -1")])
def test_a_wrong_setting_is_refused(options, wrong, message):
    with pytest.raises(ValueError, match=message):
        options(**wrong)


def test_the_options_are_what_sampling_and_the_search_take():
    taken = inspect.signature(sampling.choose).parameters
    assert set(dataclasses.asdict(SamplingOptions())) <= taken.keys()
    taken = inspect.signature(beam_search).parameters
    assert set(dataclasses.asdict(BeamOptions())) <= taken.keys()


def test_the_exported_defaults_are_those_of_the_options():
    table = generator().signature_table()
    assert table["generate"].settings == table["generate_ids"].settings == {
        "temperature": 0.8, "top_k": 0, "top_p": 1.0, "typical": 1.0, "repetition_penalty": 1.0}
    table = translator().signature_table()
    assert table["n_best"].settings == table["beam"].settings == {"width": 5, "alpha": 0.75}

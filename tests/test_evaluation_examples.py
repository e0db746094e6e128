"""The hand-computed example in every docstring of the evaluation package is run."""
import doctest
import importlib
import pkgutil

import pytest

from recsys_utils import evaluation

MODULES = [f"recsys_utils.evaluation.{module.name}" for module in pkgutil.iter_modules(evaluation.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_function_has_an_example_or_reads_a_model():
    reads_a_model = {"compare", "evaluate_ranking", "evaluate_ratings", "evaluate_sampled"}
    for name in evaluation.__all__:
        thing = getattr(evaluation, name)
        if callable(thing) and not isinstance(thing, type) and name not in reads_a_model | {"genre_matrix"}:
            assert ">>>" in thing.__doc__, name

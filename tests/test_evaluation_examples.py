"""The hand-computed example in every docstring of the evaluation package is run, and that of its reference page."""
import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from recsys_utils import evaluation

MODULES = [f"recsys_utils.evaluation.{module.name}" for module in pkgutil.iter_modules(evaluation.__path__)]
MODULES.append("recsys_utils.rerank")
REFERENCE = Path(__file__).parents[1] / "book/api/evaluation.md"


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_function_has_an_example_or_reads_a_model():
    reads_a_model = {"compare", "evaluate_ranking", "evaluate_ratings", "evaluate_sampled"}
    for name in evaluation.__all__:
        thing = getattr(evaluation, name)
        if callable(thing) and not isinstance(thing, type) and name not in reads_a_model | {"genre_matrix"}:
            assert ">>>" in thing.__doc__, name


def test_the_example_of_the_reference_page_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile(example, str(REFERENCE), "exec"), {})
    printed = capsys.readouterr().out
    assert printed.count("Best of 8 trials") == 2
    assert "coverage@5" in printed
    assert "EASE leads by" in printed


def test_the_names_of_the_reference_page_can_be_imported():
    table = REFERENCE.read_text(encoding="utf-8").split("## From")[0]
    names = re.findall(r"`([a-z_A-Z]+)`", table)
    assert len(names) > 10
    assert set(names) <= set(evaluation.__all__)

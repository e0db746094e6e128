"""Who competes in the book: every contender can be built from what its search found."""
import pytest

from recsys_utils.book import contender, contenders, tuned, tuning_table
from recsys_utils.errors import InvalidInput
from recsys_utils.models import Recommender

RECORDED = [
    (data_set, task, model)
    for data_set, task in (("ml-100k", "lists"),)
    for model in contenders.CONTENDERS[task]
]


@pytest.mark.parametrize(("data_set", "task", "model"), RECORDED)
def test_every_contender_has_settings_that_build_it(data_set, task, model):
    assert isinstance(contender(data_set, task, model), Recommender)
    assert set(tuned(data_set, task, model)) == set(contenders.CONTENDERS[task][model][1])


def test_budgets_are_equal_and_told():
    table = tuning_table("ml-100k", "lists")
    assert set(table.loc[table.index != "popularity", "trials"]) == {20}
    assert list(table.columns) == ["trials", "validation", "settings", "past an edge"]


def test_unknown_contender_is_refused_by_name():
    with pytest.raises(InvalidInput, match="no settings are recorded for 'ml-100k', 'lists', 'magic'"):
        tuned("ml-100k", "lists", "magic")

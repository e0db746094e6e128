"""Labels of the bibliography: author and year, as in the text, instead of pybtex's initials."""

from __future__ import annotations

from collections import Counter

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle


def label(entry) -> str:
    """Last name of the first author, or of two, with the year."""
    people = entry.persons.get("author") or entry.persons.get("editor") or ()
    names = [" ".join(person.prelast_names + person.last_names).replace("{", "").replace("}", "") for person in people]
    who = " and ".join(names) if len(names) <= 2 else f"{names[0]} et al."
    return f"{who or entry.fields.get('title', entry.key)}, {entry.fields.get('year', 'no date')}"


class AuthorYear(BaseLabelStyle):
    """Labels such as "Koren et al., 2009"; equal ones get a letter."""

    def format_labels(self, entries):
        """Give one label for each of `entries`, in their order."""
        labels = [label(entry) for entry in entries]
        shared, seen = {one for one, count in Counter(labels).items() if count > 1}, Counter()
        for one in labels:
            seen[one] += 1
            yield one + ("abcdefghij"[seen[one] - 1] if one in shared else "")


class Style(Plain):
    """The plain style with these labels."""

    default_label_style = AuthorYear


def setup(app):
    register_plugin("pybtex.style.formatting", "author_year_plain", Style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

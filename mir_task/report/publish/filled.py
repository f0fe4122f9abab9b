"""Fills the templates of the pages that go with what is published."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mir_task.report.publish.markdown_table import escape


def filled(template: str, **context: Any) -> str:
    """A Markdown page; every name goes through the filter ``escaped``."""
    environment = Environment(
        loader=PackageLoader("mir_task.report"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["escaped"] = escape
    return environment.get_template(template).render(context)

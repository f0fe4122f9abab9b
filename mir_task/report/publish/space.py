"""Front page of a folder that is a static Space of the Hub as it stands, and opens from disk.

Source: https://huggingface.co/docs/hub/spaces-config-reference.
"""

from __future__ import annotations

from collections.abc import Sequence

from huggingface_hub import SpaceCardData

from mir_task.report.publish.filled import filled

PAGE = "index.html"
SHORTEST = "MIR before SFT, and how far it predicts scores"
"""At most 60 characters, shown under the title."""
TAGS = ["leaderboard", "modality-integration-rate", "vision-language", "lmms-eval"]


def readme(title: str, first_line: str, cautions: Sequence[str]) -> str:
    """The Space's ``README.md``: front matter, the answer, what the numbers must not go without."""
    front = SpaceCardData(
        title=" ".join(title.split()),
        emoji="📏",
        colorFrom="blue",
        colorTo="indigo",
        sdk="static",
        app_file=PAGE,
        pinned=False,
        license="mit",
        short_description=SHORTEST,
        tags=TAGS,
    )
    return filled("space.md.jinja", front=front.to_yaml(), title=title, first_line=first_line, said=cautions)

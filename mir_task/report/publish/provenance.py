"""What a published MIR was measured on, without paths of the machine it was measured on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mir_task.report.checkpoint import Checkpoint
from mir_task.report.protocol import BUILT_IN
from mir_task.report.records import Run
from mir_task.result import Protocol

PAPER = "https://arxiv.org/abs/2410.07167"
OF_THE_HUB = re.compile(
    r"(?P<id>[\w-][\w.-]*/[\w.-]+)(?:@(?P<revision>[0-9a-f]{7,40}))?(?: (?P<config>\S+))?"
    r" (?P<split>(?:train|validation|val|dev|test)\S*)"
)
"""How :mod:`mir_task.data.hub` names a data set: path, revision, configuration, split."""
PAPERS_TASK = "mir"
"""Task on the paper's data, which are the Hub's."""
BUILTIN_DATA = "mir_task.builtin"
LMMS_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})_\d{6}_")
"""How lmms-eval begins a file's name."""


@dataclass(frozen=True)
class Provenance:
    """The data that a checkpoint's MIR was measured on."""

    task: str
    dataset: str
    """Data set of the Hub, or where the images are of none the task's name."""
    dataset_name: str
    """For people."""
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else two measurements must share to be comparable; plain values for YAML."""
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str | None = None
    """Day of the newest run, where its file's name tells it, ISO 8601."""


def provenance(checkpoint: Checkpoint) -> Provenance | None:
    """What the files say of the data; None where they do not even name the task, as tables do not."""
    run = next((run for run in checkpoint.runs if run.result and run.result.protocol), checkpoint.runs[0])
    protocol = run.result.protocol if run.result else None
    task = run.task or (protocol.task if protocol else None)
    if task is None:
        return None
    settings = {
        "task": task,
        **_settings(run, protocol, task),
        "seed": _seeds(checkpoint),
        "pairs": checkpoint.pairs,
    }
    common: dict[str, Any] = {
        "settings": {name: value for name, value in settings.items() if value is not None},
        "versions": run.result.versions if run.result else {},
        "date": _date(checkpoint),
    }
    images = protocol.images if protocol else None
    if images == BUILTIN_DATA or task == BUILT_IN:
        return Provenance(task, task, f"Built-in pairs of mir-task ({task})", **common)
    hub = _hub(images, task)
    if hub is None:
        return Provenance(task, task, f"Image-text pairs of the task {task}", **common)
    texts = _texts(protocol, task)
    name = f"{hub['id']} with texts of {texts}" if texts else hub["id"]
    return Provenance(task, hub["id"], name, hub["config"], hub["split"], hub["revision"], **common)


def _settings(run: Run, protocol: Protocol | None, task: str) -> dict[str, Any]:
    if protocol is None:
        return dict(run.settings)
    ids = "\n".join(sorted(protocol.pair_ids))
    return {
        "task_version": protocol.task_version,
        "texts": _texts(protocol, task),
        "paired": protocol.paired,
        "max_text_tokens": protocol.max_text_tokens,
        "template": protocol.template,
        "orientation": protocol.orientation,
        "alignment_level": protocol.alignment.level if protocol.alignment else None,
        "pairs_sha256": hashlib.sha256(ids.encode()).hexdigest() if ids else None,
    }


def _texts(protocol: Protocol | None, task: str) -> str | None:
    """Data set of the texts; None where it is a folder of someone's machine."""
    texts = protocol.texts if protocol else None
    return texts if texts == BUILTIN_DATA or _hub(texts, task) else None


def _hub(source: str | None, task: str) -> re.Match[str] | None:
    """A data set of the Hub; a folder may look like one, but has no revision, and the task of the paper no folders."""
    found = OF_THE_HUB.fullmatch(source or "")
    return found if found and (found["revision"] or task == PAPERS_TASK) else None


def _seeds(checkpoint: Checkpoint) -> int | list[int] | None:
    """The seed of the choice of pairs, or those of several runs; None where one is not told."""
    seeds = [run.result.protocol.seed for run in checkpoint.runs if run.result and run.result.protocol]
    known = [seed for seed in seeds if seed is not None]
    if len(known) < len(checkpoint.runs):
        return None
    return known[0] if len(known) == 1 else known


def _date(checkpoint: Checkpoint) -> str | None:
    found = [LMMS_DATE.match(Path(run.source).name) for run in checkpoint.runs]
    return max(("-".join(date.groups()) for date in found if date), default=None)

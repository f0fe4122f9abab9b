"""From findings to a folder that can be published."""

from __future__ import annotations

from pathlib import Path

from mir_task.report.analysis import Findings
from mir_task.report.page import without_reload
from mir_task.report.publish import instructions, space
from mir_task.report.publish.board import boards
from mir_task.report.publish.cards import cards
from mir_task.report.publish.cautions import cautions, refuse_mixed
from mir_task.report.publish.data import as_csv, as_json
from mir_task.report.publish.folder import write_folder
from mir_task.report.publish.latex_table import latex
from mir_task.report.publish.markdown_table import markdown
from mir_task.report.records import listing
from mir_task.report.write import regression_of

TITLE = "Modality Integration Rate before SFT"


def publish(findings: Findings, page: Path, folder: Path, title: str | None = None) -> list[str]:
    """Write Space, tables and blocks for model cards below a folder.

    Args:
        findings: of the report.
        page: the report's page, which becomes that of the Space.
        folder: what to write to; files there that are not ours are never touched.
        title: of the Space.

    Returns:
        Lines that say what was written and how it is used.

    Raises:
        MIRReportError: protocols are mixed, or a file that is not ours is in the way; nothing was written then.
        OSError: a file cannot be read or written.
    """
    refuse_mixed(findings)
    said = cautions(findings)
    tables = boards(findings, said)
    models = cards(findings.comparison.checkpoints, findings.evidence.rows)
    first_line = findings.decision.sentence
    files: dict[str, str | bytes] = {
        "README.md": instructions.readme(first_line, [*said, *models.notes], models.by_folder),
        "space/README.md": space.readme(title or TITLE, first_line, said),
        # Readers of a Space must not load it again every few seconds, as --watch makes the report's page do.
        f"space/{space.PAGE}": without_reload(page.read_text(encoding="utf-8")),
        "space/leaderboard.csv": as_csv(findings),
        "space/leaderboard.json": as_json(findings, said, tables),
        "space/regression.json": regression_of(findings).model_dump_json(indent=1) + "\n",
        "tables/leaderboard.md": markdown(first_line, said, tables),
        "tables/leaderboard.tex": latex(first_line, tables),
    }
    for name, card in models.by_folder.items():
        files |= {f"models/{name}/{file}": text for file, text in card.files.items()}
    kept = write_folder(folder, files)
    notes = list(models.notes)
    if kept:
        notes.append(f"Kept, since someone edited them: {listing(kept)}; this report has no such files.")
    return instructions.printed(folder, len(models.by_folder), notes)

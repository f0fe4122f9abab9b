"""What a leaderboard keeper pastes or pushes: ``mir-report … --publish DIR``. Writes files, sends nothing.

Imports go one way: ``slugs``, ``folder`` (names and files), ``provenance``, ``language_models``, ``cautions`` (what a
number must not go without) -> ``board`` -> ``markdown_table``, ``latex_table``, ``data`` -> ``filled``, ``space``;
``model_index`` -> ``eval_results`` -> ``cards`` -> ``instructions`` -> ``everything``.
"""

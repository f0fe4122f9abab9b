"""The command ``python -m mir_task.families``, which prints :mod:`mir_task.adapters.families`."""

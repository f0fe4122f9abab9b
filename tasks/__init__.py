"""The lmms-eval task definitions, installed as ``mir_task.tasks``."""

"""The tasks; their classes are in ``mir_task.lmms.task``."""

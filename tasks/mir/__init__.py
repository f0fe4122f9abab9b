"""The three tasks; their class is ``mir_task.task.MIRTask``."""

"""Held-out questions of the study's world, one task a skill; their class is ``mir_task.study.task.StudyTask``."""
